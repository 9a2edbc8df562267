"""How much each number that a question is made of moved its answer [sundararajan2017]_."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from captum.attr import GradientShap, IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.errors import DataError
from cellula.core.model import Attribution
from cellula.core.run import RunContext
from cellula.governance.explain.question import Question, together
from cellula.models.learned.blocks.scope import torch_scope

__all__ = ["Explained", "Method", "explained"]

Method: TypeAlias = Literal["integrated_gradients", "shap"]
#: Points on the way from the other question, and draws of a SHAP value.
STEPS, SAMPLES = 64, 128


@dataclass(frozen=True, slots=True)
class Explained:
    """The attribution of one question's answer.

    attribution: rows are readouts, features what the question is made of, in units of the
    readouts; step: (features,) how far each feature is from what it is compared with; change:
    (readouts,) the predicted change less that of the other question, or the mean of others;
    missing: the largest difference between a row's sum and its ``change``, as a share of the
    largest change: how far the attribution is from complete.
    """

    attribution: Attribution
    step: NDArray[np.float64]
    change: NDArray[np.float64]
    missing: float


def explained(
    question: Question,
    readouts: tuple[str, ...],
    run: RunContext,
    *,
    against: Question | None = None,
    method: Method = "integrated_gradients",
) -> Explained:
    """Attribute the predicted change of some readouts to what the question is made of.

    against: another question to the same model (a contrast: why A and not B); by default nothing
    done to the mean control profile of the contexts of training. ``shap``: expected gradients
    [lundberg2017]_ from the control profile of every context. Raises DataError on an unknown
    readout.
    """
    known = question.fitted.answer.answer.readouts
    unknown = [name for name in readouts if name not in known]
    if unknown or not readouts:
        raise DataError(
            f"the model predicts no readout {', '.join(unknown[:5]) or '(none was named)'}; "
            f"there are {len(known)}, e.g. {', '.join(known[:5])}"
        )
    others = question.background
    if against is not None:
        question, second = together(question, against)
        others = second.value[None]
    places = torch.tensor([known.index(name) for name in readouts])
    with torch_scope(run, "explain"):
        if method == "integrated_gradients":
            others = others.mean(dim=0, keepdim=True)
        values = _attributed(question, others, places, method)
        with torch.no_grad():
            change = question.change(torch.cat([question.value[None], others]), places)
    moved = (change[0] - change[1:].mean(dim=0)).double().numpy()
    size = float(np.abs(moved).max())
    gap = float(np.abs(values.sum(axis=1) - moved).max())
    words = _words(method, against is not None, question.fitted.base_name)
    told = Attribution(readouts, question.names, values, words)
    step = (question.value - others.mean(dim=0)).double().numpy()
    return Explained(told, step, moved, gap / size if size > 0 else gap)


def _attributed(
    question: Question, others: Tensor, places: Tensor, method: Method
) -> NDArray[np.float64]:
    found = []
    for place in places:

        def forward(rows: Tensor, place: Tensor = place) -> Tensor:
            return question.change(rows, place[None])[:, 0]

        value = question.value[None]
        if method == "integrated_gradients":
            told = IntegratedGradients(forward).attribute(
                value, others, n_steps=STEPS, internal_batch_size=STEPS
            )
        else:
            told = GradientShap(forward).attribute(value, others, n_samples=SAMPLES, stdevs=0.0)
        found.append(told[0].detach().double().numpy())
    return np.stack(found)


def _words(method: Method, is_contrast: bool, base: str) -> str:
    name = {
        "integrated_gradients": f"integrated gradients, {STEPS} points",
        "shap": f"SHAP values by expected gradients, {SAMPLES} draws",
    }[method]
    beyond = f" of what the network adds to {base}" if base else ""
    return f"{name}{beyond}, against {'another question' if is_contrast else 'untreated cells'}"
