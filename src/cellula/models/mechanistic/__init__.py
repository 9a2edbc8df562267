"""Solvers, and the model that wraps a network and a solver, will live here."""
