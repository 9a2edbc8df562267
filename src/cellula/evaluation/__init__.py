"""Observed against predicted: comparisons, metrics, anchored scores, intervals."""
