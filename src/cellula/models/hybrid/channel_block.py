"""The axon under a block that training never saw: the prior's network against a free one.

Both see the same noisy voltages under current steps with all channels open, and are then asked
for steps of other sizes with a share of g_Na or g_K blocked. The third answer is that nothing
changes: the true trace without the block, which is what a model of the voltage alone may hope for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from cellula.core.run import RunContext
from cellula.models.hybrid.membrane import FreeMembrane, LearnedGates
from cellula.models.hybrid.membrane_training import MembraneOptions, fit_membrane, predicted
from cellula.models.hybrid.squid_axon import CurrentStep, Traces, recorded
from cellula.models.learned.blocks.scope import torch_scope

__all__ = [
    "BLOCKS",
    "TRAINING",
    "UNSEEN",
    "BlockRow",
    "compare_under_block",
    "firing_count",
    "trace_errors",
]

Floats = NDArray[np.float64]
#: What is trained on: steps between threshold and block by depolarisation, one that
#: hyperpolarises, one that is short.
TRAINING = (
    *(CurrentStep(amplitude) for amplitude in (3.0, 6.0, 9.0, 14.0, 20.0)),
    CurrentStep(-5.0, end=8.0),
    CurrentStep(40.0, end=3.0),
)
#: Steps that are asked for, and never trained on.
UNSEEN = tuple(CurrentStep(amplitude) for amplitude in (5.0, 11.0, 17.0))
#: Channel and the share of its conductance that is blocked.
BLOCKS = (
    ("none", 0.0),
    *((channel, share) for channel in ("Na", "K") for share in (0.25, 0.5, 0.75)),
)
#: Time of a trace and its step, ms; noise of the training traces, mV; where a spike is counted.
END, STEP, NOISE, THRESHOLD = 20.0, 0.1, 0.5, -20.0
#: Widths of the networks, and hidden states of the free one.
GATE_WIDTH, FREE_WIDTH, MEMORY = 8, 24, 3


@final
@dataclass(frozen=True, slots=True)
class BlockRow:
    """One model under one block: mean over seeds and steps, with the 95 % interval over seeds.

    measure: ``rmse`` of the voltage in mV, ``peak`` error in mV, or error of the ``count`` of
    spikes. n: seeds; an answer without seeds has no interval.
    """

    model: str
    channel: str
    share: float
    measure: str
    mean: float
    lower: float
    upper: float
    n: int


def compare_under_block(
    n_seeds: int, options: MembraneOptions, run: RunContext
) -> tuple[tuple[BlockRow, ...], Mapping[str, Floats]]:
    """Every model under every block, and each model's voltages on the training steps.

    Seeds differ in their first weights and share the traces. Raises as
    :func:`~cellula.models.hybrid.membrane_training.fit_membrane` does.
    """
    train = recorded(TRAINING, END, STEP, NOISE, run.child("traces"))
    answers: dict[str, list[Floats]] = {"prior": [], "free": []}
    trained: dict[str, Floats] = {}
    truths = {block: _recorded(block, run) for block in BLOCKS}
    with torch_scope(run, "membranes") as scope:
        members: dict[str, LearnedGates | FreeMembrane] = {
            "prior": LearnedGates(n_seeds, GATE_WIDTH, scope.generator),
            "free": FreeMembrane(n_seeds, FREE_WIDTH, MEMORY, scope.generator),
        }
        for name, membrane in members.items():
            fit_membrane(membrane, train, options, run)
            trained[name] = predicted(membrane, train).numpy()
            answers[name] = [predicted(membrane, truth).numpy() for truth in truths.values()]
    same = next(iter(truths.values())).v[None]
    rows: list[BlockRow] = []
    for place, (block, truth) in enumerate(truths.items()):
        given = {name: told[place] for name, told in answers.items()} | {"no change": same}
        for name, v in given.items():
            rows += _rows(name, block, v, truth)
    return tuple(rows), trained


def trace_errors(found: Floats, truth: Floats) -> dict[str, Floats]:
    """Of voltages (seeds, steps, times) against (steps, times): (seeds,) means over the steps."""
    count = np.abs(firing_count(found) - firing_count(truth))
    return {
        "rmse": np.sqrt(np.square(found - truth).mean(axis=2)).mean(axis=1),
        "peak": np.abs(found.max(axis=2) - truth.max(axis=1)).mean(axis=1),
        "count": count.mean(axis=1),
    }


def firing_count(v: Floats) -> NDArray[np.intp]:
    """How often a voltage (..., times) rises through -20 mV."""
    above = v > THRESHOLD
    return np.asarray((above[..., 1:] & ~above[..., :-1]).sum(axis=-1))


def _recorded(block: tuple[str, float], run: RunContext) -> Traces:
    channel, share = block
    steps = [
        replace(
            step,
            open_na=1 - share if channel == "Na" else 1.0,
            open_k=1 - share if channel == "K" else 1.0,
        )
        for step in UNSEEN
    ]
    return recorded(steps, END, STEP, 0.0, run)


def _rows(name: str, block: tuple[str, float], v: Floats, truth: Traces) -> Sequence[BlockRow]:
    found = []
    for measure, values in trace_errors(v, truth.v).items():
        n, mean = len(values), float(values.mean())
        reach = float("nan")
        if n > 1:
            reach = float(student.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)
        found.append(BlockRow(name, *block, measure, mean, mean - reach, mean + reach, n))
    return found
