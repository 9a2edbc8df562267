"""Cells with their counts and depths: what a likelihood of counts is fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.matrix import dense
from cellula.core.model import State
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.population import recovered_counts
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.training_cells import question_rows

__all__ = ["CountCells", "Measure", "Reading", "all_questions"]

#: Profiles that are dense together, and of how many counts are looked for.
BLOCK = 2048
#: How far a number recovered as a count may be from a whole one, and the share that may be further.
TOLERANCE, STRAYS = 0.05, 0.01


@dataclass(frozen=True, slots=True)
class Reading:
    """Profiles as a likelihood reads them.

    target: (cells, readouts) counts, or values in standard deviations from the mean; exposure:
    (cells, 1) the expected count of a rate of 1, which is 1 where there are no counts.
    """

    target: Tensor
    exposure: Tensor

    def to(self, device: torch.device) -> Reading:
        """The same on a device."""
        return Reading(self.target.to(device), self.exposure.to(device))

    @property
    def scale(self) -> Tensor:
        """(cells, 1): a count k has the profile log(1 + scale k)."""
        return 1.0 / self.exposure


@dataclass(frozen=True, slots=True)
class Measure:
    """How the values of a dataset become counts and depths, or standardised values.

    has_counts: whether they are counts; centre: (readouts,) mean, of log1p profiles where there
    are counts; spread: (readouts,) standard deviation, all the same where there are counts; rate:
    (readouts,) counts per exposure; depth: the median depth, of whole counts.
    """

    value_type: ValueType
    has_counts: bool
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    rate: NDArray[np.float32]
    depth: float

    @classmethod
    def of(cls, train: Dataset, *, wants_counts: bool) -> Measure:
        """From training profiles; counts are the values, the layer, or what log1p gives back."""
        has_counts = wants_counts and _has_counts(train)
        depth = 1.0
        if has_counts and train.value_type is ValueType.COUNTS:
            totals = [train.dense(rows).sum(axis=1) for rows in _rows(train.n_profiles)]
            depth = float(np.median(np.maximum(np.concatenate(totals), 1.0)))
        width = len(train.readouts)
        one, none = np.ones(width, np.float32), np.zeros(width, np.float32)
        plain = cls(train.value_type, has_counts, none, one, one, depth)
        return plain._fitted(train)

    def read(
        self, values: NDArray[np.float64], counts: NDArray[np.float64] | None = None
    ) -> Reading:
        """Profiles (cells, readouts), dense, with their counts where a layer holds them."""
        if not self.has_counts:
            target = (values - self.centre) / self.spread
            return Reading(torch.from_numpy(target.astype(np.float32)), torch.ones(len(values), 1))
        if self.value_type is ValueType.COUNTS:
            exposure = values.sum(axis=1) / self.depth
            counts = values
        else:
            counts = recovered_counts(values).astype(np.float64) if counts is None else counts
            linear = np.expm1(values).sum(axis=1)
            exposure = counts.sum(axis=1) / np.where(linear > 0, linear, 1.0)
        typical = np.median(exposure[exposure > 0]) if (exposure > 0).any() else 1.0
        exposure = np.where(exposure > 0, exposure, typical)
        return Reading(
            torch.from_numpy(counts.astype(np.float32)),
            torch.from_numpy(exposure.astype(np.float32)[:, None]),
        )

    def of_dataset(self, data: Dataset, rows: NDArray[np.int64]) -> Reading:
        """Some profiles of a dataset, with its layer of counts where it has one."""
        return self.read(data.dense(rows), _layer(data, rows))

    def inputs(self, reading: Reading) -> Tensor:
        """What an encoder sees: standardised log1p profiles, or the standardised values."""
        if not self.has_counts:
            return reading.target
        profile = torch.log1p(reading.target * reading.scale)
        return (profile - torch.from_numpy(self.centre).to(profile)) / float(self.spread[0])

    def state(self) -> State:
        """Arrays and numbers from which :meth:`restore` makes this again."""
        return State(
            {
                "measure_centre": self.centre,
                "measure_spread": self.spread,
                "measure_rate": self.rate,
            },
            {
                "measure_value_type": self.value_type.value,
                "measure_has_counts": self.has_counts,
                "measure_depth": self.depth,
            },
        )

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Measure:
        """The measure of a state."""
        return cls(
            ValueType(meta["measure_value_type"]),
            bool(meta["measure_has_counts"]),
            arrays["measure_centre"],
            arrays["measure_spread"],
            arrays["measure_rate"],
            float(meta["measure_depth"]),
        )

    def _fitted(self, train: Dataset) -> Measure:
        """The same with moments of the training profiles, in one pass."""
        width = len(train.readouts)
        total, square, counted = np.zeros(width), np.zeros(width), np.zeros(width)
        exposed = 0.0
        for rows in _rows(train.n_profiles):
            reading = self.of_dataset(train, rows)
            profile = self.inputs(reading).double().numpy()
            total += profile.sum(axis=0)
            square += (profile**2).sum(axis=0)
            counted += reading.target.double().numpy().sum(axis=0)
            exposed += float(reading.exposure.double().sum())
        mean = total / train.n_profiles
        variance = np.maximum(square / train.n_profiles - mean**2, 0.0)
        spread = np.sqrt(variance)
        if self.has_counts:
            spread = np.full(width, np.sqrt(variance.mean()))
        spread = np.where(spread > 1e-12, spread, 1.0)
        rate = np.maximum(counted, 0.5) / exposed if self.has_counts else np.ones(width)
        return replace(
            self,
            centre=mean.astype(np.float32),
            spread=spread.astype(np.float32),
            rate=rate.astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class CountCells:
    """Profiles in memory, sparse where they are counts.

    target: (cells, readouts) float32, CSR or dense; exposure: (cells, 1); question: (cells,) the
    row of :func:`all_questions`.
    """

    target: Any
    exposure: Tensor
    question: Tensor

    @classmethod
    def of(
        cls, parts: list[Dataset], measure: Measure, bulk: Pseudobulk, reference: Reference
    ) -> CountCells:
        """All profiles of datasets, the controls among them.

        Profiles whose question ``bulk`` does not have are left out.
        """
        targets, exposures, questions = [], [], []
        for part in parts:
            question = _questions(part, bulk, reference)
            for rows in _rows(part.n_profiles):
                kept = rows[question[rows] >= 0]
                reading = measure.of_dataset(part, kept)
                block = reading.target.numpy()
                targets.append(sp.csr_matrix(block) if measure.has_counts else block)
                exposures.append(reading.exposure)
                questions.append(question[kept])
        target = sp.csr_matrix(sp.vstack(targets)) if measure.has_counts else np.vstack(targets)
        return cls(target, torch.cat(exposures), torch.from_numpy(np.concatenate(questions)))

    def __len__(self) -> int:
        return len(self.question)

    def responses(self, measure: Measure, bulk: Pseudobulk, reference: Reference) -> Tensor:
        """What was done to the cells of every question, on average: (questions, readouts).

        In units of what is encoded (:meth:`Measure.inputs`), less the controls of the context; 0
        for controls. bulk, reference: as in :meth:`of`.
        """
        n = len(bulk.values)
        total = torch.zeros(n + len(reference.contexts), len(measure.rate))
        size = torch.zeros(len(total), 1)
        for rows in _rows(len(self)):
            chosen = torch.from_numpy(rows)
            question = self.question[chosen]
            total.index_add_(0, question, measure.inputs(self.take(chosen)))
            size.index_add_(0, question, torch.ones(len(rows), 1))
        mean = total / size.clamp_min(1.0)
        place = {name: n + i for i, name in enumerate(reference.contexts)}
        base = mean[[place[bulk.contexts[code]] for code in bulk.context]]
        return torch.cat([mean[:n] - base, torch.zeros_like(mean[n:])])

    def take(self, rows: Tensor) -> Reading:
        """Some profiles, dense."""
        part = self.target[rows.numpy()]
        block = part.toarray() if sp.issparse(part) else part
        return Reading(torch.from_numpy(block), self.exposure[rows])


def all_questions(bulk: Pseudobulk, reference: Reference) -> tuple[QueryTable, Tensor]:
    """The questions of all groups, then one a context for its controls; and which are the latter.

    The perturbation of the latter is any: nothing was done there.
    """
    asked = bulk.queries().frame()
    untreated = pd.concat([asked.iloc[:1]] * len(reference.contexts), ignore_index=True)
    untreated["context"] = list(reference.contexts)
    frame = pd.concat([asked.astype({"context": object}), untreated], ignore_index=True)
    return QueryTable.from_frame(frame), torch.arange(len(frame)) >= len(asked)


def _questions(part: Dataset, bulk: Pseudobulk, reference: Reference) -> NDArray[np.int64]:
    """The row of :func:`all_questions` of every profile, -1 for none."""
    context = label_positions(part.queries().context, reference.contexts)
    found = np.where(context >= 0, len(bulk.values) + context, -1)
    is_control = part.is_control
    if not is_control.all():
        found[~is_control] = question_rows(part, bulk)
    return np.asarray(found, np.int64)


def _rows(n: int) -> list[NDArray[np.int64]]:
    return [np.arange(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def _layer(data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """The layer of counts of some profiles of log1p values, where there is one."""
    if data.counts is None or data.value_type is not ValueType.LOG1P:
        return None
    return dense(data.counts[rows])


def _has_counts(data: Dataset) -> bool:
    """Whether values are counts, come with them, or give them back."""
    if data.value_type is not ValueType.LOG1P:
        return data.value_type is ValueType.COUNTS
    if data.counts is not None:
        return True
    linear = np.expm1(data.dense(np.arange(min(BLOCK, data.n_profiles))))
    is_there = linear > 0
    least = np.where(is_there, linear, np.inf).min(axis=1, initial=np.inf)
    ratio = linear / np.where(np.isfinite(least), least, 1.0)[:, None]
    strays = np.abs(ratio - np.rint(ratio))[is_there] > TOLERANCE
    return bool(strays.size and strays.mean() <= STRAYS)
