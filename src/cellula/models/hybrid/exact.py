"""The exact solution of a problem, where it declares one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cellula.core.evaluation import evaluate
from cellula.core.physics import PhysicsProblem

__all__ = ["exact_solution"]

Floats = NDArray[np.float64]


def exact_solution(
    problem: PhysicsProblem, values: Mapping[str, float], times: Floats, places: Floats | None
) -> Floats | None:
    """The fields (times, places, fields); None unless every field declares its solution.

    values: of the unknowns.
    """
    formulas = [one.exact for one in problem.fields]
    given: dict[str, Floats | float] = {**problem.parameters, **values}
    if places is not None:
        given["x"] = places
    count = 1 if places is None else len(places)
    found = np.empty((len(times), count, len(formulas)))
    for column, formula in enumerate(formulas):
        if formula is None:
            return None
        for row, time in enumerate(times.tolist()):
            found[row, :, column] = evaluate(formula, given, time)
    return found
