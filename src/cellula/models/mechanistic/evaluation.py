"""Plain evaluation of expressions, as :mod:`cellula.core.evaluation` tells it."""

from cellula.core.evaluation import OPERATIONS, Values, evaluate

__all__ = ["OPERATIONS", "Values", "evaluate"]
