"""Explanations and their sanity checks will live here."""
