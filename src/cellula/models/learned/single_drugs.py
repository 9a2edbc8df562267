"""What simple means tell of a question about drugs: the base from which a network departs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.models.baselines.answer import joined
from cellula.models.baselines.encoding import Treatments, label_positions, unique_labels
from cellula.models.baselines.pseudobulk import Pseudobulk

__all__ = ["Expected", "SingleDrugs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Expected:
    """What means of single drugs make of questions.

    fresh: (queries, readouts) as if nothing was known of the drugs; known: (queries, readouts) by
    what the drugs did alone elsewhere, where that was measured; is_measured: (queries, components)
    of which drugs it was.
    """

    fresh: Floats
    known: Floats
    is_measured: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SingleDrugs:
    """Responses to single drugs in training: (groups,) codes and (groups, readouts) values.

    adds: whether the responses of the parts of a combination add up, as differences from a control
    do; else the combination is expected at their mean.
    """

    treatments: Treatments
    contexts: tuple[str, ...]
    treatment: NDArray[np.int64]
    context: NDArray[np.int64]
    values: Floats
    adds: bool

    @classmethod
    def of(cls, bulk: Pseudobulk, *, adds: bool) -> SingleDrugs:
        """From the responses of training. Raises DataError where no drug was given alone."""
        known = bulk.treatments
        is_single = np.array([len(components(name)) < 2 for name in known.perturbations])
        rows = np.flatnonzero(is_single[known.perturbation])
        if not len(rows):
            raise DataError(
                f"all {len(known)} treatments are combinations; what a combination does is told "
                "beyond its parts: give profiles of single drugs too"
            )
        place = np.full(len(known), -1, np.int64)
        place[rows] = np.arange(len(rows))
        kept, code = np.unique(known.perturbation[rows], return_inverse=True)
        singles = Treatments(
            tuple(known.perturbations[i] for i in kept),
            code.astype(np.int64),
            known.dose_molar[rows],
            known.time_s[rows],
        )
        own = np.flatnonzero(place[bulk.treatment] >= 0)
        return cls(
            singles,
            bulk.contexts,
            place[bulk.treatment[own]],
            bulk.context[own],
            bulk.values[own],
            adds,
        )

    def expected(self, queries: QueryTable) -> Expected:
        """The two expectations of every question.

        fresh: every part does what other drugs do in its context. known: a single drug does what
        the same treatment did in other contexts; a part of a combination what it did alone in
        this context, or else in others. A question's own response never counts.
        """
        labels, inverse = unique_labels(queries.perturbation)
        parts = [components(label) or (label,) for label in labels]
        most = max(map(len, parts), default=1)
        n_parts = np.array([len(part) for part in parts])[inverse]
        shape = len(queries), self.values.shape[1]
        fresh, known = np.zeros(shape), np.zeros(shape)
        is_measured = np.zeros((len(queries), most), bool)
        sums = _Sums.of(self)
        for place in range(most):
            rows = np.flatnonzero(n_parts > place)
            names = [part[place] if len(part) > place else "" for part in parts]
            asked = _renamed(queries.take(rows), names, inverse[rows])
            new, own, is_there = sums.of_part(asked, n_parts[rows] == 1)
            fresh[rows] += new
            known[rows] += np.where(is_there[:, None], own, new)
            is_measured[rows, place] = is_there
        share = 1.0 if self.adds else 1.0 / n_parts[:, None]
        return Expected(share * fresh, share * known, is_measured)

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        arrays = {
            "single_treatment": self.treatment,
            "single_context": self.context,
            "single_values": self.values,
        }
        meta = {"single_contexts": list(self.contexts), "single_adds": self.adds}
        return joined(self.treatments.state(), State(arrays, meta))

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> SingleDrugs:
        """The responses of a state."""
        return cls(
            Treatments.restore(arrays, meta),
            tuple(meta["single_contexts"]),
            arrays["single_treatment"],
            arrays["single_context"],
            arrays["single_values"],
            bool(meta["single_adds"]),
        )


@dataclass(frozen=True, slots=True)
class _Total:
    """Sums of responses by a code that need not occur: codes (known,), totals, sizes."""

    codes: NDArray[np.int64]
    total: Floats
    size: NDArray[np.int64]

    @classmethod
    def of(cls, code: NDArray[np.int64], values: Floats) -> _Total:
        codes, place = np.unique(code, return_inverse=True)
        total = np.zeros((len(codes) + 1, values.shape[1]))
        np.add.at(total, place, values)
        size = np.bincount(place, minlength=len(codes) + 1)
        return cls(codes, total, size.astype(np.int64))

    def at(self, code: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
        """Sum and size of every code (rows,); 0 of one that does not occur."""
        place = np.minimum(np.searchsorted(self.codes, code), len(self.codes) - 1)
        place = np.where(self.codes[place] == code, place, len(self.codes))
        return self.total[place], self.size[place]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of single responses by treatment, drug, context, and pairs of these."""

    singles: SingleDrugs
    treatment: _Total
    cell: _Total
    drug: _Total
    context: _Total
    pair: _Total
    all: _Total

    @classmethod
    def of(cls, singles: SingleDrugs) -> _Sums:
        t, c, y = singles.treatment, singles.context, singles.values
        d = singles.treatments.perturbation[t]
        n_contexts = len(singles.contexts)
        return cls(
            singles,
            _Total.of(t, y),
            _Total.of(t * n_contexts + c, y),
            _Total.of(d, y),
            _Total.of(c, y),
            _Total.of(d * n_contexts + c, y),
            _Total.of(np.zeros(len(y), np.int64), y),
        )

    def of_part(
        self, queries: QueryTable, is_alone: NDArray[np.bool_]
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """What one drug of every question is expected to do: fresh, known, and whether known."""
        known = self.singles.treatments
        n = len(self.singles.contexts)
        c = label_positions(queries.context, self.singles.contexts)
        d = label_positions(queries.perturbation, known.perturbations)
        t = known.positions(queries)
        cell = np.where((t < len(known)) & (c >= 0), t * n + c, -1)
        own, n_own = self.cell.at(cell)
        elsewhere, n_elsewhere = self.treatment.at(t)
        elsewhere, n_elsewhere = elsewhere - own, n_elsewhere - n_own
        uses_own = ~is_alone & (n_own > 0)
        told = np.where(uses_own[:, None], own, elsewhere)
        size = np.where(uses_own, n_own, n_elsewhere)
        return self._fresh(c, d, n), told / np.maximum(size, 1)[:, None], size > 0

    def _fresh(self, c: NDArray[np.int64], d: NDArray[np.int64], n: int) -> Floats:
        """The mean over other drugs in this context, else in all, else over all: (rows, ...)."""
        pair = np.where((c >= 0) & (d >= 0), d * n + c, -1)
        whole, n_whole = self.all.at(np.zeros(len(c), np.int64))
        own, n_own = self.drug.at(d)
        found = whole / n_whole[:, None]
        for (total, size), (part, n_part) in (
            ((whole, n_whole), (own, n_own)),
            (self.context.at(c), self.pair.at(pair)),
        ):
            left = size - n_part
            mean = (total - part) / np.maximum(left, 1)[:, None]
            found = np.where((left > 0)[:, None], mean, found)
        return np.asarray(found, np.float64)


def _renamed(queries: QueryTable, names: Sequence[str], code: NDArray[np.int64]) -> QueryTable:
    """The questions with other perturbations: ``names[code]``."""
    distinct, place = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    labels = [str(name) for name in distinct]
    return replace(queries, perturbation=pd.Categorical.from_codes(place[code], labels))
