"""Does an explanation depend on what the model has learned [adebayo2018]_?"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from cellula.core.run import RunContext
from cellula.governance.explain.attributions import Method, explained
from cellula.governance.explain.question import Question
from cellula.models.learned.blocks.scope import torch_scope

__all__ = ["randomised_rank_correlation", "with_random_weights"]


def with_random_weights(question: Question, run: RunContext) -> Question:
    """The same question to the same network with weights drawn anew."""
    network = deepcopy(question.fitted.network)
    with torch_scope(run, "random weights"):
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        # layer norms begin as the identity, which would be the same before and after
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if name.endswith("weight") and weight.ndim == 1:
                    weight.copy_(1.0 + 0.5 * torch.randn_like(weight))
    fitted = replace(question.fitted, network=network)  # type: ignore[type-var]
    return replace(question, fitted=fitted)


def randomised_rank_correlation(
    questions: Sequence[Question],
    readouts: tuple[str, ...],
    run: RunContext,
    *,
    method: Method = "integrated_gradients",
) -> float:
    """Spearman correlation of the strengths of features before and after randomisation.

    questions: with the same number of features. The strength of a feature is the mean size of its
    attribution per unit of its step, over readouts and questions: what is large in the question
    does not count. Near 1 an explanation tells of the question, not of what was learned.
    """
    own = _strengths(questions, readouts, run, method)
    random = _strengths(
        [with_random_weights(question, run) for question in questions], readouts, run, method
    )
    is_there = np.isfinite(own) & np.isfinite(random)
    return float(spearmanr(own[is_there], random[is_there]).statistic)


def _strengths(
    questions: Sequence[Question], readouts: tuple[str, ...], run: RunContext, method: Method
) -> NDArray[np.float64]:
    """(features,), NaN where no question has a step."""
    total, steps = np.zeros(len(questions[0].names)), np.zeros(len(questions[0].names))
    for question in questions:
        told = explained(question, readouts, run, method=method)
        total += np.abs(told.attribution.values).mean(axis=0)
        steps += np.abs(told.step)
    strength = np.full(len(total), np.nan)
    np.divide(total, steps, out=strength, where=steps > 0)
    return strength
