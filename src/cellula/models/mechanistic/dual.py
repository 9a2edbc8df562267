"""Values with their slopes along the parameters that are estimated, and formulas of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.derivative import Gradient, gradients
from cellula.core.evaluation import evaluate
from cellula.core.expression import Expression, symbols

__all__ = ["Dual", "DualFormula", "dual_formula"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Dual:
    """value: (rows,); slope: (rows, parameters), or None where nothing moves it."""

    value: Floats
    slope: Floats | None = None

    def slopes(self, n: int) -> Floats:
        """(rows, n), zeros where nothing moves it."""
        return np.zeros((len(self.value), n)) if self.slope is None else self.slope


@final
@dataclass(frozen=True, slots=True)
class DualFormula:
    """An expression with its exact derivatives by all that it names."""

    names: frozenset[str]
    value: Expression
    gradient: Gradient

    def of(self, given: Mapping[str, Dual], n_rows: int) -> Dual:
        """The formula of some values. Raises DataError on an id without a value."""
        values = {name: given[name].value for name in self.names if name in given}
        told = np.array(np.broadcast_to(evaluate(self.value, values, 0.0), (n_rows,)))
        slope: Floats | None = None
        for name, part in self.gradient.items():
            inner = None if name is None or name not in given else given[name].slope
            if inner is not None:
                by = np.broadcast_to(evaluate(part, values, 0.0), (n_rows,))[:, None]
                with np.errstate(invalid="ignore"):
                    own = np.where(inner == 0.0, 0.0, by * inner)
                slope = own if slope is None else slope + own
        return Dual(told, slope)


def dual_formula(formula: Expression) -> DualFormula:
    """An expression made ready."""
    names = symbols(formula)
    return DualFormula(frozenset(names), formula, gradients((formula,), names)[0])
