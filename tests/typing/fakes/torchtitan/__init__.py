"""As much of torchtitan as the cases name."""
