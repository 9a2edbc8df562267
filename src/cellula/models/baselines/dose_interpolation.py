"""Between two measured doses: the response on a straight line over the logarithm of the dose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import canonical_label, label_positions, unique_labels
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["DoseInterpolation", "DoseInterpolationOptions", "FittedDoseInterpolation"]

Floats = NDArray[np.float64]
#: Doses below this count as this, in mol/l.
LEAST_DOSE_MOLAR = 1e-15
#: The code of a curve that is the mean over contexts, or over perturbations too.
ANY = -1


class DoseInterpolationOptions(Options):
    """Options of :class:`DoseInterpolation`."""

    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@dataclass(frozen=True, slots=True)
class _Curves:
    """Responses over doses, one curve a perturbation, context and time.

    key: (curves, 3) perturbation and context, or :data:`ANY`, and the place of the time in
    ``times``; start: (curves + 1,) into the points; log_dose: (points,), ascending within a curve;
    values: (points, readouts).
    """

    perturbations: tuple[str, ...]
    contexts: tuple[str, ...]
    times: Floats
    key: NDArray[np.int64]
    start: NDArray[np.int64]
    log_dose: Floats
    values: Floats

    def effects(self, queries: QueryTable) -> Effects:
        """The response of every query, and whether its own curve reaches its dose."""
        asked = self._asked(queries)
        place = {tuple(map(int, row)): k for k, row in enumerate(self.key)}
        dose = _log_dose(queries.dose_molar, len(queries))
        mean = np.empty((len(queries), self.values.shape[1]))
        in_domain = np.zeros(len(queries), bool)
        distinct, inverse = np.unique(asked, axis=0, return_inverse=True)
        for number, (p, c, t) in enumerate(distinct):
            rows = np.flatnonzero(inverse.ravel() == number)
            wanted = ((p, c, t), (p, ANY, t), (p, ANY, ANY), (ANY, ANY, t), (ANY, ANY, ANY))
            own = (int(p), int(c), int(t)) in place and min(p, c) >= 0
            curve = next(
                place[key] for key in (tuple(map(int, one)) for one in wanted) if key in place
            )
            part = slice(self.start[curve], self.start[curve + 1])
            x = self.log_dose[part]
            for column in range(mean.shape[1]):
                mean[rows, column] = np.interp(dose[rows], x, self.values[part, column])
            in_domain[rows] = own & (dose[rows] >= x[0]) & (dose[rows] <= x[-1])
        return Effects(mean, in_domain)

    def _asked(self, queries: QueryTable) -> NDArray[np.int64]:
        labels, inverse = unique_labels(queries.perturbation)
        place = {name: number for number, name in enumerate(self.perturbations)}
        codes = np.array([place.get(canonical_label(label), ANY) for label in labels], np.int64)
        return np.column_stack(
            [
                codes[inverse],
                label_positions(queries.context, self.contexts),
                _time_places(queries.time_s, len(queries), self.times),
            ]
        )


@final
@dataclass(frozen=True, slots=True)
class DoseInterpolation:
    """Assumes that between two doses that were measured a response lies on the straight line over
    the logarithm of the dose, and beyond the last one stays as it was there.

    Every perturbation in every context, at every time, has its own curve. A pair without one has
    the mean curve of its perturbation over contexts, an unseen time the mean over times, an unseen
    perturbation the mean of all. What a dose-response model has to beat: it knows neighbours, and
    no shape. In domain: the pair was measured at that time, at a lower and at a higher dose.
    """

    options: DoseInterpolationOptions

    name: ClassVar[str] = "dose_interpolation"
    options_type: ClassVar[type[Options]] = DoseInterpolationOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ()

    def fit(
        self, train: Dataset, valid: Dataset | None, run: RunContext
    ) -> FittedDoseInterpolation:
        """Keep the curves of train and valid: there is nothing to tune."""
        _, _, both, reference = train_and_valid(train, valid)
        return FittedDoseInterpolation(
            _curves(both), Answer.of(train, reference, self.options.cells)
        )

    def restore(self, state: State) -> FittedDoseInterpolation:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        curves = _Curves(
            tuple(meta["curve_perturbations"]),
            tuple(meta["curve_contexts"]),
            *(arrays[f"curve_{name}"] for name in ("times", "key", "start", "dose", "values")),
        )
        return FittedDoseInterpolation(curves, Answer.restore(arrays, meta))


@final
@dataclass(frozen=True, slots=True)
class FittedDoseInterpolation:
    """The curves and what every answer shares."""

    curves: _Curves
    answer: Answer

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.curves.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        curves = self.curves
        arrays = {
            "curve_times": curves.times,
            "curve_key": curves.key,
            "curve_start": curves.start,
            "curve_dose": curves.log_dose,
            "curve_values": curves.values,
        }
        labels = {
            "curve_perturbations": list(curves.perturbations),
            "curve_contexts": list(curves.contexts),
        }
        return joined(State(arrays, labels), self.answer.state())


def _curves(bulk: Pseudobulk) -> _Curves:
    """The curves of all pairs, and the means over contexts, times and perturbations."""
    known = bulk.treatments
    times = np.unique(known.time_s[~np.isnan(known.time_s)])
    n = len(bulk.treatment)
    of_group = np.column_stack(
        [
            known.perturbation[bulk.treatment],
            bulk.context,
            _time_places(known.time_s[bulk.treatment], n, times),
        ]
    )
    dose = _log_dose(known.dose_molar[bulk.treatment], n)
    parts: dict[tuple[int, ...], tuple[Floats, Floats]] = {}
    for hidden in ((), (1,), (1, 2), (0, 1), (0, 1, 2)):
        key = of_group.copy()
        key[:, list(hidden)] = ANY
        distinct, inverse = np.unique(key, axis=0, return_inverse=True)
        for number, row in enumerate(distinct):
            rows = inverse.ravel() == number
            parts.setdefault(tuple(map(int, row)), _mean_curve(dose[rows], bulk.values[rows]))
    return _Curves(
        known.perturbations,
        bulk.contexts,
        times,
        np.array(list(parts), np.int64),
        np.cumsum([0, *(len(x) for x, _ in parts.values())]).astype(np.int64),
        np.concatenate([x for x, _ in parts.values()]),
        np.concatenate([y for _, y in parts.values()]),
    )


def _mean_curve(dose: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Doses that differ, ascending, and the mean response at each."""
    x, place = np.unique(dose, return_inverse=True)
    sums = np.zeros((len(x), values.shape[1]))
    np.add.at(sums, place.ravel(), values)
    return x, sums / np.bincount(place.ravel())[:, None]


def _log_dose(dose: Floats | None, n: int) -> Floats:
    """The logarithm of every dose; all alike where there is none."""
    given = np.zeros(n) if dose is None else np.nan_to_num(dose)
    return np.asarray(np.log10(np.maximum(given, LEAST_DOSE_MOLAR)), np.float64)


def _time_places(time: Floats | None, n: int, known: Floats) -> NDArray[np.int64]:
    """The place of every time among the known ones, :data:`ANY` where it is none of them."""
    if time is None or not len(known):
        return np.full(n, ANY)
    place = np.minimum(np.searchsorted(known, time), len(known) - 1)
    return np.where(known[place] == time, place, ANY).astype(np.int64)
