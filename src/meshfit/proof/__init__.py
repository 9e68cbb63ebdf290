"""Proof by execution: a model runs on real ranks and is compared with one process."""
