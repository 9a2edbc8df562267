"""Continuous time as MaBoSS has it: the shares of cells in which a component is on."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cmaboss")

from cellula.core import registry
from cellula.core.logic import Component, LogicNetwork
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.io.bnet import parse_rule

CELLS = 20_000
TIMES = np.linspace(0.0, 12.0, 7)


def damaged() -> LogicNetwork:
    """Damage turns p53 on, p53 its own inhibitor, and a survival signal holds death back."""
    rules = {
        "damage": None,
        "p53": "damage & !mdm2",
        "mdm2": "p53 | mdm2 & survival",
        "survival": "!p53 | survival & !death",
        "death": "p53 & !survival | death",
    }
    components = tuple(
        Component(id, None if rule is None else parse_rule(rule), initial=None)
        for id, rule in rules.items()
    )
    rates = {"p53": (0.8, 1.5), "mdm2": (0.4, 0.3), "survival": (1.0, 0.25), "death": (0.2, 1.0)}
    return LogicNetwork("damaged", components, rates)


@pytest.mark.requirement("S3", "S4", "K9")
@pytest.mark.parametrize("held", [(), (("mdm2", 0.0),), (("survival", 1.0), ("damage", 1.0))])
def test_the_shares_of_maboss(held: tuple[tuple[str, float], ...], run: RunContext) -> None:
    doses = Schedule(tuple(Dose(0.0, id, level) for id, level in held))
    ours = registry.create("simulator", "logic", {"update": "continuous"}).simulate(
        damaged(), ParameterTable((), np.zeros((CELLS, 0))), doses, TIMES, run
    )
    theirs = registry.create("simulator", "maboss", {"samples": CELLS, "windows": 40}).simulate(
        damaged(), ParameterTable((), np.zeros((1, 0))), doses, TIMES, run
    )
    # two samples of the same share; what a window of a fortieth of 2 time units adds is below .02
    gap = np.abs(ours.values.mean(axis=0) - theirs.values[0])
    assert gap.max() < 4.5 * np.sqrt(2 * 0.25 / CELLS) + 0.02
    assert gap.mean() < 0.01
