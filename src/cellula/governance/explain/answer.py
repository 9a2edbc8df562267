"""Why a fitted model answers one question as it does: which readouts move, and what moves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Fitted
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.governance.explain.attributions import Method, explained
from cellula.governance.explain.question import question_of
from cellula.governance.explain.sanity import randomised_rank_correlation
from cellula.models.learned.blocks.mover import LatentMover

__all__ = ["Asked", "Reasons", "reasons_of"]

#: Readouts that are explained where none is named: those that move most.
MOST_READOUTS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: a question, another one to contrast it with, some readouts."""

    query: QueryTable
    against: QueryTable | None = None
    readouts: tuple[str, ...] = ()
    method: Method = "integrated_gradients"


@dataclass(frozen=True, slots=True)
class Reasons:
    """The strongest features of one answer.

    readouts: (name, predicted change, or difference of the two questions), largest first;
    features: (name, mean size over these readouts, signed sum over them), strongest first;
    missing: how far the attribution is from complete, a share of the largest change;
    randomised: rank correlation with the explanation of a network of random weights: near 1 it
    tells nothing of what was learned.
    """

    method: str
    readouts: tuple[tuple[str, float], ...]
    features: tuple[tuple[str, float, float], ...]
    n_features: int
    missing: float
    randomised: float


def reasons_of(
    fitted: Fitted, asked: Asked, control: Dataset, run: RunContext, top: int = 10
) -> Reasons:
    """Explain one answer of a model that carries cells.

    Raises DataError where the model cannot be explained so, a readout is unknown, or a context
    has no controls.
    """
    if not isinstance(fitted, LatentMover):
        raise DataError(
            f"{type(fitted).__name__} does not carry cells through a latent space, so that one "
            "answer has no gradient; leave out --context for the features of the whole model"
        )
    question = question_of(fitted, asked.query, control, run.child("cells").rng)
    other = None
    if asked.against is not None:
        other = question_of(fitted, asked.against, control, run.child("cells").rng)
    readouts = asked.readouts or _most_moved(fitted, asked, control, run)
    told = explained(question, readouts, run, against=other, method=asked.method)
    values = told.attribution.values
    size = np.abs(values).mean(axis=0)
    order = np.argsort(-size, kind="stable")[:top]
    names = told.attribution.features
    largest = np.argsort(-np.abs(told.change), kind="stable")
    return Reasons(
        told.attribution.method,
        tuple((readouts[i], float(told.change[i])) for i in largest),
        tuple((names[i], float(size[i]), float(values[:, i].sum())) for i in order),
        len(names),
        told.missing,
        randomised_rank_correlation([question], readouts, run, method=asked.method),
    )


def _most_moved(fitted: Fitted, asked: Asked, control: Dataset, run: RunContext) -> tuple[str, ...]:
    """The readouts that the answer moves most."""
    answer = next(iter(fitted.predict(asked.query, control, run)))
    if asked.against is None:
        base = control.dense().mean(axis=0)
    else:
        base = next(iter(fitted.predict(asked.against, control, run))).mean[0]
    order = np.argsort(-np.abs(answer.mean[0] - base), kind="stable")[:MOST_READOUTS]
    return tuple(answer.readouts[i] for i in order)
