"""Growth of treated cells beside that of untreated ones, as a model of growth is fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.value_type import ValueType
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["LEAST_DOSE_MOLAR", "CourseOptions", "GrowthCourses", "division_rates", "growth_courses"]

Floats: TypeAlias = NDArray[np.float64]
#: Doses below this count as this, in mol/l.
LEAST_DOSE_MOLAR = 1e-15
#: A line that hardly divides is taken to double in a hundred days, in doublings per hour.
LEAST_DIVISION = 1.0 / 2400.0


class CourseOptions(Options):
    """What the readouts of a course of growth are."""

    hours: Mapping[str, float]
    """Readout -> hours after the drug at which it is log2 of the cells over those at the start."""
    rates: tuple[str, ...] = ()
    """Readouts that are the proliferation rate once it is steady, in doublings per hour."""

    @model_validator(mode="after")
    def _are_courses(self) -> Self:
        if not self.hours:
            raise ValueError("no readout has a time; give hours = { READOUT = HOURS, ... }")
        wrong = [name for name, hour in self.hours.items() if not hour > 0]
        if wrong:
            raise ValueError(f"the hours of {', '.join(wrong)} are not above 0")
        if both := sorted(set(self.hours) & set(self.rates)):
            raise ValueError(f"{', '.join(both)}: both a time and a rate")
        return self

    def hours_of(self, readouts: Sequence[str]) -> Floats:
        """Hours of every readout (readouts,), infinite for a rate; DataError on another one."""
        unknown = [name for name in readouts if name not in {*self.hours, *self.rates}]
        if unknown:
            raise DataError(
                f"{len(unknown)} readout(s) of the data have no time: {', '.join(unknown[:5])}; "
                "name each in the options hours or rates, or exclude it"
            )
        return np.array([self.hours.get(name, np.inf) for name in readouts])


@dataclass(frozen=True, slots=True)
class GrowthCourses:
    """Changes of growth by drug: groups of one drug, line and dose.

    drugs, lines: labels; drug, line: (groups,) codes into them; log10_dose: (groups,); values:
    (groups, readouts) treated less untreated; hours: (readouts,).
    """

    drugs: tuple[str, ...]
    lines: tuple[str, ...]
    drug: NDArray[np.int64]
    line: NDArray[np.int64]
    log10_dose: Floats
    values: Floats
    hours: Floats

    @property
    def weights(self) -> Floats:
        """What makes every readout log2 of cells: 1, and the last hour of a rate: (readouts,)."""
        is_rate = np.isinf(self.hours)
        return np.where(is_rate, self.hours[~is_rate].max(), 1.0)


def growth_courses(
    train: Dataset, valid: Dataset | None, options: CourseOptions, model: str
) -> tuple[GrowthCourses, GrowthCourses | None, GrowthCourses, Reference]:
    """The courses of train, of valid (None without it), of both, and the growth of untreated cells.

    Raises DataError, naming the model, where there is no control, no dose, where times are rows
    and not readouts, or where values are of a type that is no growth.
    """
    hours = options.hours_of(train.readouts)
    if train.value_type not in {ValueType.LOG2, ValueType.QUANTITY}:
        raise DataError(
            f"the model {model!r} takes log2 of growth (log2 or quantity), these data hold "
            f"{train.value_type.value}"
        )
    for role, is_wanted in (("dose_molar", True), ("time_s", False)):
        if train.has_role(role) is not is_wanted:
            raise DataError(
                f"the model {model!r} takes a dose of every profile and its times as readouts; the "
                f"data have {'no' if is_wanted else 'the'} role {role!r}: "
                + ("name its column" if is_wanted else "make a readout of every time")
            )
    seen, held, both, reference = train_and_valid(train, valid)
    if reference is None:
        raise DataError(
            f"the model {model!r} counts growth from that of untreated cells and these data have "
            "no control; name the column that marks them in the role is_control"
        )
    return (
        _of(seen, hours),
        None if held is None else _of(held, hours),
        _of(both, hours),
        reference,
    )


def _of(bulk: Pseudobulk, hours: Floats) -> GrowthCourses:
    known = bulk.treatments
    dose = np.maximum(known.dose_molar[bulk.treatment], LEAST_DOSE_MOLAR)
    return GrowthCourses(
        known.perturbations,
        bulk.contexts,
        known.perturbation[bulk.treatment],
        bulk.context,
        np.log10(dose),
        bulk.values,
        hours,
    )


def division_rates(reference: Reference, hours: Floats, lines: Sequence[str]) -> Floats:
    """Doublings per hour of untreated cells (lines + 1,), the last for a line that is not known.

    The slope, through the origin, of their growth over time.
    """
    timed = np.isfinite(hours)
    t, growth = hours[timed], reference.means[:, timed]
    rates = np.maximum(growth @ t / (t @ t), LEAST_DIVISION)
    names = [*lines]
    place = {name: number for number, name in enumerate(reference.contexts)}
    found = [rates[place[name]] if name in place else rates.mean() for name in names]
    return np.array([*found, rates.mean()])
