"""Intervals for a model that was fitted without a study: calibrated inside its own data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import StudyError
from cellula.core.model import Fitted
from cellula.core.run import RunContext
from cellula.validation.fitted_folder import FittedCard, IntervalCard
from cellula.validation.intervals import Inside, IntervalPlan, calibration_folds, inside_training
from cellula.validation.mistakes import mistakes_of
from cellula.validation.study import UNITS, Uncertainty

__all__ = ["Calibrating", "calibrated", "calibrating_of"]


@dataclass(frozen=True, slots=True)
class Calibrating:
    """Which intervals are wanted, and for which questions they shall hold.

    kind: what of the questions is new; unit: of replication, None for the first that the data have.
    """

    chosen: Uncertainty
    plan: IntervalPlan
    kind: ClaimKind
    unit: str | None


def calibrating_of(told: Mapping[str, Any], kind: str, unit: str | None) -> Calibrating:
    """What was asked for. Raises StudyError listing mistakes, PluginError on an unknown method."""
    try:
        chosen = Uncertainty.model_validate(told)
    except ValidationError as error:
        raise StudyError("the intervals are wrong:", mistakes_of(error, dict(told))) from error
    kinds = [one.value for one in ClaimKind]
    if kind not in kinds:
        raise StudyError(f"{kind!r} is no claim kind; expected one of {', '.join(kinds)}")
    if unit is not None and unit not in UNITS:
        raise StudyError(f"{unit!r} is no unit of replication; expected one of {', '.join(UNITS)}")
    return Calibrating(chosen, IntervalPlan.of(chosen), ClaimKind(kind), unit)


def calibrated(
    fitted: Fitted, card: FittedCard, data: Dataset, wanted: Calibrating, run: RunContext
) -> tuple[Fitted, FittedCard]:
    """A fitted model with intervals from parts of its data, each held out of a fit of its own.

    Raises DataError where the data have no unit of replication, or cannot be split as asked.
    """
    model = registry.create("model", card.model, card.options)
    unit = wanted.unit or next((one for one in UNITS if data.has_role(one)), "perturbation")
    inside = Inside(wanted.kind, unit, is_tuned=card.tuning is not None)
    folds = calibration_folds(data, inside)
    found = inside_training(model, data, folds, inside, run.child("intervals"), fitted)
    if found is None:
        raise StudyError(
            f"the data cannot be split as {wanted.kind.value} splits them, so that no part can "
            "calibrate; take another kind, or leave the intervals out"
        )
    asked = wanted.plan.wrap(found)
    told = IntervalCard(
        method=wanted.plan.method.name,
        options=wanted.plan.method.options.model_dump(mode="json"),
        abstain=wanted.chosen.abstain,
        kind=wanted.kind,
        unit=unit,
        n_units=len(set(found.held_out.unit.tolist())),
        reason=asked.reason,
    )
    return asked.asked, card.model_copy(update={"intervals": told})
