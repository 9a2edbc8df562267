"""Contracts and values that every other floor shares; imports nothing above."""
