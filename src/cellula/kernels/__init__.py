"""Compiled hot loops: plain arrays in, plain arrays out, no domain types."""
