"""Uncertainty: methods that wrap a fitted model and give its predictions intervals."""
