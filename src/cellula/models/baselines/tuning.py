"""Choosing a setting of a model by its error on validation data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from cellula.core.dataset import Dataset
from cellula.models.baselines.answer import Effect
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference, responses

__all__ = ["least_error", "squared_error", "train_and_valid"]

Candidate = TypeVar("Candidate")


def train_and_valid(
    train: Dataset, valid: Dataset | None
) -> tuple[Pseudobulk, Pseudobulk | None, Pseudobulk, Reference | None]:
    """The responses of train, of valid (None without it) and of both, and their reference.

    Raises DataError where readouts differ, nothing is treated, or a context lacks controls.
    """
    parts = [train] if valid is None else [train, valid]
    reference = Reference.of(parts)
    both = responses(parts, reference)
    has_treated = valid is not None and not valid.is_control.all()
    if valid is None or not has_treated:
        return both, None, both, reference
    return responses([train], reference), responses([valid], reference), both, reference


def squared_error(effect: Effect, held: Pseudobulk) -> float:
    """Mean squared error over all held-out groups and readouts, in squared units of the values."""
    return float(np.mean((effect(held.queries()).mean - held.values) ** 2))


def least_error(
    candidates: Sequence[Candidate], effect_of: Callable[[Candidate], Effect], held: Pseudobulk
) -> Candidate:
    """The candidate whose fitted effect has the least error on ``held``; the first of equals."""
    return min(candidates, key=lambda candidate: squared_error(effect_of(candidate), held))
