"""As much of NeMo Automodel as the cases name."""
