"""Readers gather facts and sizes from what a user has; they never judge."""
