"""Labels of what a PEtab problem measures: its conditions and its times."""

from __future__ import annotations

from collections.abc import Mapping

from cellula.core.petab import PetabProblem, PetabValue

__all__ = ["condition_labels", "experiment_labels", "time_label"]

#: A pre-equilibration ("" for none) and a condition.
Experiment = tuple[str, str]


def time_label(time: float) -> str:
    """A time of the simulation as a label, ``12.5``."""
    return f"{time:.12g}"


def condition_labels(conditions: Mapping[str, Mapping[str, PetabValue]]) -> dict[str, str]:
    """Condition -> the first condition that sets the same values: what is one is called one."""
    first: dict[frozenset[tuple[str, PetabValue]], str] = {}
    return {id: first.setdefault(frozenset(one.items()), id) for id, one in conditions.items()}


def experiment_labels(problem: PetabProblem) -> dict[Experiment, str]:
    """Pre-equilibration and condition of every measurement -> one label, in their order.

    ``condition``, or ``condition after pre-equilibration``; those that set the same are alike.
    """
    alike = condition_labels(problem.conditions)
    table = problem.measurements[["preequilibrationConditionId", "simulationConditionId"]]
    found: dict[Experiment, str] = {}
    for before, condition in table.drop_duplicates().itertuples(index=False, name=None):
        then = f" after {alike[before]}" if before else ""
        found[str(before), str(condition)] = alike[condition] + then
    return found
