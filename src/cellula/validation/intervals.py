"""The intervals of a study: made inside each training fold by the method that the file names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, MissingExtra, PluginError, StudyError
from cellula.core.model import Fitted, Model
from cellula.core.run import RunContext
from cellula.data.splits import Fold, Folds, Fraction, held_out_labels, split
from cellula.evaluation.comparison import compare, concatenate
from cellula.evaluation.question import distinct
from cellula.evaluation.uncertainty.abstention import Abstaining, Abstention
from cellula.evaluation.uncertainty.inside_training import InsideTraining, IntervalMethod, Wrapped
from cellula.validation.study import Study, Uncertainty

__all__ = [
    "Asked",
    "Inside",
    "IntervalPlan",
    "calibration_folds",
    "fit_within",
    "inside_training",
    "interval_mistakes",
    "interval_plan",
    "method_of",
]

#: A single calibration part must hold this many units; with fewer, all are dealt in turn.
MANY_UNITS = 100
#: Share of the labels that calibrate, by how many there are, or the number of parts.
CALIBRATION_SHARE = 0.1
CALIBRATION_SHARE_FEW = 0.2
FEW_LABELS = 100
CALIBRATION_PARTS = 5
CALIBRATION_SEED = 1


def _default_method() -> IntervalMethod:
    return method_of(Uncertainty())


@dataclass(frozen=True, slots=True)
class IntervalPlan:
    """What makes the intervals of a study, and what declines questions (None: nothing does)."""

    method: IntervalMethod = field(default_factory=_default_method)
    abstention: Abstention | None = None

    @classmethod
    def of(cls, chosen: Uncertainty) -> IntervalPlan:
        """As a study file says it. Raises as :func:`method_of`, and StudyError on the spread of a
        model, which its baselines do not have and fits of folds do not share.
        """
        kinds = chosen.options.get("difficulty"), getattr(chosen.abstain, "by", None)
        if "spread" in kinds:
            raise StudyError(
                "'spread' needs the interval of the very fit that is asked, which neither the "
                "baselines nor the fits of folds have; take 'estimated' or 'distance'"
            )
        declines = None if chosen.abstain is None else Abstention(chosen.abstain)
        return cls(method_of(chosen), declines)

    def wrap(self, inside: InsideTraining) -> Asked:
        """The model of ``inside`` with intervals, declining what is too doubtful where asked."""
        wrapped = self.method.wrap(inside)
        if self.abstention is None:
            return Asked(wrapped, wrapped.reason)
        return Asked(self.abstention.wrap_doubt(inside, wrapped), wrapped.reason)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of new units; reason: why it gives no interval, or ""."""

    asked: Wrapped | Abstaining
    reason: str


@dataclass(frozen=True, slots=True)
class Inside:
    """How training is split inside: as claims of this kind split their hold-out.

    over: the column that groups what is held out, or None. unit: of replication. is_tuned: whether
    a fit is tuned on a part of what it sees.
    """

    kind: ClaimKind
    unit: str
    over: str | None = None
    is_tuned: bool = True


def interval_mistakes(study: Study) -> list[str]:
    """One line for every unknown method and every wrong option of ``uncertainty``."""
    if study.uncertainty is None:
        return []
    try:
        IntervalPlan.of(study.uncertainty)
    except StudyError as error:
        lines = error.mistakes or (str(error),)
        return [f"uncertainty.options: {line}" for line in lines]
    except (PluginError, MissingExtra) as error:
        return [f"uncertainty.method: {error}"]
    return []


def interval_plan(study: Study) -> IntervalPlan:
    """The plan of a study; split conformal where the file names no method.

    Raises StudyError or PluginError where :func:`interval_mistakes` has found mistakes.
    """
    return IntervalPlan.of(study.uncertainty or Uncertainty())


def method_of(chosen: Uncertainty) -> IntervalMethod:
    """The method; PluginError where it makes no intervals, StudyError on wrong options."""
    made: Any = registry.create("uncertainty", chosen.method, chosen.options)
    if not isinstance(made, IntervalMethod):
        able = [
            name
            for name in registry.names("uncertainty")
            if hasattr(registry.load("uncertainty", name), "wrap")
        ]
        raise PluginError(
            f"{chosen.method!r} makes no intervals; expected one of {', '.join(able)} (what is "
            "declined is asked for by abstain = { share = 0.2 })"
        )
    return made


def calibration_folds(train: Dataset, inside: Inside) -> tuple[Fold, ...]:
    """How training is split inside, as the claim splits; () where it cannot be."""
    labels = held_out_labels(train, inside.kind, inside.over)
    n_labels = len(np.unique(labels.codes[~train.is_control]))
    share = CALIBRATION_SHARE_FEW if n_labels < FEW_LABELS else CALIBRATION_SHARE
    try:
        single = split(
            train, inside.kind, Fraction(fraction=share, seed=CALIBRATION_SEED), inside.over
        )
        units = train.labels(inside.unit).codes[single[0].test]
        if len(np.unique(units)) >= MANY_UNITS:
            return single
        rule = Folds(folds=min(CALIBRATION_PARTS, n_labels), seed=CALIBRATION_SEED)
        return split(train, inside.kind, rule, inside.over)
    except DataError:
        return ()


def inside_training(
    model: Model,
    train: Dataset,
    folds: tuple[Fold, ...],
    inside: Inside,
    run: RunContext,
    fitted: Fitted | None = None,
) -> InsideTraining | None:
    """A model fitted on all of training and on every fold of it; None without folds.

    Each fit is tuned on a part of what it sees, and has not seen the groups that it answers.
    fitted: the fit on all of training where there is one already.
    """
    parts: list[Comparison] = []
    fits: list[Fitted] = []
    for fold in folds:
        observed, known = train.take(fold.test), train.take(fold.train)
        stream = run.child("inner", fold.name)
        tuning = calibration_folds(known, inside) if inside.is_tuned else ()
        fits.append(fit_within(model, known, tuning, stream))
        controls = train.take(fold.control) if len(fold.control) else None
        answers = fits[-1].predict(distinct(observed), controls, stream.child("ask"))
        parts.append(compare(observed, answers, controls=controls, unit=inside.unit))
    if not parts:
        return None
    return InsideTraining(
        fitted=fitted or fit_within(model, train, folds, run),
        held_out=concatenate(parts),
        fold=np.repeat(np.arange(len(parts)), [len(part.groups) for part in parts]),
        folds=folds,
        of_folds=tuple(fits),
        train=train,
        unit=inside.unit,
    )


def fit_within(model: Model, train: Dataset, inner: tuple[Fold, ...], run: RunContext) -> Fitted:
    """Fit on everything, tuned on the first inner part where there is one."""
    stream = run.child("fit")
    if not inner:
        return model.fit(train, None, stream)
    valid = inner[0].test
    others = np.setdiff1d(np.arange(train.n_profiles), valid)
    return model.fit(train.take(others), train.take(valid), stream)
