"""Definitions that name one another, as :mod:`cellula.core.resolution` puts them in order."""

from cellula.core.resolution import in_order, names_in, resolved

__all__ = ["in_order", "names_in", "resolved"]
