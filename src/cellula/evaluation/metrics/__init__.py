"""Metrics: one idea a file, each with a registered definition."""
