"""Simple models that every other model must beat."""
