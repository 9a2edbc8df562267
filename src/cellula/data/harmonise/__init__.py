"""Data steps that make batches comparable: one transform a file."""
