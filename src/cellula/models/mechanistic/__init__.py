"""Equations of networks, their solvers, and models that wrap the two."""
