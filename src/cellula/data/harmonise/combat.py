"""ComBat: batches made comparable by empirical-Bayes location and scale [johnson2007]_."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast, final

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Options, State
from cellula.core.roles import ROLES
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.harmonise.batch_calibration import confounding

__all__ = ["Combat", "CombatOptions", "FittedCombat"]


class CombatOptions(Options):
    """Options of ComBat."""

    covariates: tuple[str, ...] = ()
    """Roles whose effects are kept."""
    max_confounding: float = Field(default=0.5, ge=0, le=1)
    """Squared canonical correlation with batch up to which perturbation may be left out."""

    @model_validator(mode="after")
    def _are_roles(self) -> Self:
        wrong = [name for name in self.covariates if name not in ROLES or name == "batch"]
        if wrong or len(set(self.covariates)) < len(self.covariates):
            raise ValueError(
                f"covariates {', '.join(self.covariates)}: expected different roles of "
                f"{', '.join(role for role in ROLES if role != 'batch')}"
            )
        return self


@final
class Combat:
    """ComBat [johnson2007]_ as scanpy [wolf2018]_ computes it, with its parameters kept.

    Per batch and readout ComBat is an affine map of the values, x -> a x + b, whose b also
    depends on the covariates. The maps are read off scanpy's result, so applied to the
    training data they reproduce it; a readout that is constant within some batch keeps its
    values. ComBat has no rule for a batch it has not seen: applying refuses it. Further
    profiles of the same batches are moved by the same maps.
    """

    name: ClassVar[str] = "combat"
    options_type: ClassVar[type[Options]] = CombatOptions
    references: ClassVar[tuple[str, ...]] = ("johnson2007", "wolf2018")

    def __init__(self, options: CombatOptions) -> None:
        self.options = options

    def fit(self, data: Dataset, run: RunContext) -> FittedCombat:
        """Learn the maps from ``data``, which must hold no held-out profile.

        Raises DataError on counts, on fewer than two batches or two profiles a batch, on fewer
        than two readouts that vary within every batch, and when batches cannot be told from
        perturbations or covariates.
        """
        if data.value_type is ValueType.COUNTS:
            raise DataError(
                "ComBat shifts and scales, which counts do not survive; normalise the counts and "
                "take log1p first"
            )
        data.role("batch")
        batch = data.labels("batch")
        sizes = np.bincount(batch.codes, minlength=len(batch.categories))
        if len(sizes) < 2 or sizes.min() < 2:
            raise DataError(
                f"ComBat needs two batches or more with two profiles or more each; there are "
                f"{len(sizes)}, the smallest with {sizes.min()}; drop or merge small batches"
            )
        self._require_separable(data, batch)
        levels = _levels(data, self.options.covariates)
        values = data.dense()
        is_active = _varies_in_all(values, batch.codes)
        if is_active.sum() < 2:
            raise DataError(
                f"{int(is_active.sum())} of {values.shape[1]} readouts vary within every batch; "
                "ComBat borrows strength between readouts and needs two or more"
            )
        corrected = values.copy()
        corrected[:, is_active] = _scanpy_combat(values[:, is_active], batch, levels)
        maps = _read_off(values, corrected, batch, levels)
        return FittedCombat(data.readouts, self.options.covariates, *maps)

    def restore(self, state: State) -> FittedCombat:
        """The fitted transform whose state this is."""
        meta = state.meta
        return FittedCombat(
            tuple(meta["readouts"]),
            tuple(meta["covariates"]),
            tuple(meta["batches"]),
            tuple(tuple(group) for group in meta["groups"]),
            np.asarray(state.arrays["slope"]),
            np.asarray(state.arrays["intercept"]),
        )

    def _require_separable(self, data: Dataset, batch: pd.Categorical) -> None:
        if not data.has_role("perturbation"):
            return
        mixed = confounding(batch, data.labels("perturbation"))
        if mixed.is_confounded:
            raise DataError(
                "batch is confounded with perturbation (squared canonical correlation "
                f"{mixed.squared_correlation:.3f}): removing one would remove the other; measure "
                "shared perturbations or controls in every batch"
            )
        limit = self.options.max_confounding
        if mixed.squared_correlation > limit and "perturbation" not in self.options.covariates:
            raise DataError(
                "batches differ in their perturbations (squared canonical correlation "
                f"{mixed.squared_correlation:.3f} > {limit}): ComBat would remove responses with "
                "the batches; give covariates = ['perturbation'] or fit it on controls"
            )


@final
@dataclass(frozen=True, slots=True)
class FittedCombat:
    """The affine maps of every batch.

    groups: (batch, covariate levels...) seen; slope: (batches, readouts); intercept: (groups,
    readouts).
    """

    readouts: tuple[str, ...]
    covariates: tuple[str, ...]
    batches: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def apply(self, data: Dataset) -> Dataset:
        """The corrected dataset, dense, without the layer of counts, which it left behind.

        Values of a value type that cannot be negative are cut off at zero. Raises DataError on
        other readouts and on batches or covariates that were not seen.
        """
        if data.readouts != self.readouts:
            raise DataError(
                f"ComBat was fitted on {len(self.readouts)} readouts, these data have "
                f"{len(data.readouts)} or another order; hand over the same ones"
            )
        data.role("batch")
        batch = data.labels("batch")
        group = _groups(batch, _levels(data, self.covariates))
        place = {name: position for position, name in enumerate(self.groups)}
        unseen = sorted({" / ".join(name) for name in group if name not in place})
        if unseen:
            raise DataError(
                f"ComBat has not seen {len(unseen)} batch(es) or covariate level(s): "
                f"{', '.join(unseen[:5])}; it has no rule for them: fit it on data that hold them"
            )
        row_group = np.array([place[name] for name in group], np.int64)
        row_batch = np.array([self.batches.index(name) for name in batch.categories])[batch.codes]
        values = data.dense() * self.slope[row_batch] + self.intercept[row_group]
        if data.value_type.is_non_negative:
            np.maximum(values, 0.0, out=values)
        old = cast("AnnData", data.data)
        obsm = {key: old.obsm[key] for key in old.obsm}
        return replace(data, data=AnnData(values, old.obs.copy(), old.var.copy(), obsm=obsm))

    def state(self) -> State:
        """Slopes and intercepts, and what they belong to."""
        return State(
            {"slope": self.slope, "intercept": self.intercept},
            {
                "readouts": list(self.readouts),
                "covariates": list(self.covariates),
                "batches": list(self.batches),
                "groups": [list(group) for group in self.groups],
            },
        )


def _levels(data: Dataset, covariates: Sequence[str]) -> list[pd.Categorical]:
    return [pd.Categorical(data.role(name).astype(str)) for name in covariates]


def _groups(batch: pd.Categorical, levels: Sequence[pd.Categorical]) -> list[tuple[str, ...]]:
    columns = [np.asarray(part.astype(str)) for part in (batch, *levels)]
    return [tuple(str(label) for label in row) for row in zip(*columns, strict=True)]


def _varies_in_all(values: NDArray[np.float64], codes: NDArray[Any]) -> NDArray[np.bool_]:
    varies = np.ones(values.shape[1], bool)
    for code in np.unique(codes):
        varies &= np.ptp(values[codes == code], axis=0) > 0
    return varies


def _scanpy_combat(
    values: NDArray[np.float64], batch: pd.Categorical, levels: Sequence[pd.Categorical]
) -> NDArray[np.float64]:
    """What scanpy computes; covariates go in as 0/1 columns without their first level.

    Raises DataError when batch and covariates together are not of full rank.
    """
    obs = pd.DataFrame({"batch": batch}, index=[str(row) for row in range(len(values))])
    dummies = [
        (part.codes == code).astype(float)
        for part in levels
        for code in range(1, len(part.categories))
    ]
    names = [f"covariate{place}" for place in range(len(dummies))]
    for name, column in zip(names, dummies, strict=True):
        obs[name] = column
    design = np.column_stack([np.eye(len(batch.categories))[batch.codes], *dummies])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise DataError(
            "the covariates determine the batch, or one another: their effects cannot be told "
            "apart; leave covariates out"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        result = sc.pp.combat(
            AnnData(values, obs=obs), "batch", covariates=names or None, inplace=False
        )
    return np.asarray(result, np.float64)


def _read_off(
    values: NDArray[np.float64],
    corrected: NDArray[np.float64],
    batch: pd.Categorical,
    levels: Sequence[pd.Categorical],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], NDArray[np.float64], NDArray[np.float64]]:
    """Batches, groups, slopes and intercepts, exact up to rounding.

    Within a batch and a covariate level scanpy's result is linear in the value.
    """
    group = _groups(batch, levels)
    names = sorted(set(group))
    place = {name: position for position, name in enumerate(names)}
    codes = np.array([place[name] for name in group], np.int64)
    mean = np.stack([values[codes == code].mean(axis=0) for code in range(len(names))])
    moved = np.stack([corrected[codes == code].mean(axis=0) for code in range(len(names))])
    x, y = values - mean[codes], corrected - moved[codes]
    slope = np.ones((len(batch.categories), values.shape[1]))
    for code in range(len(batch.categories)):
        rows = batch.codes == code
        spread = (x[rows] ** 2).sum(axis=0)
        np.divide((x[rows] * y[rows]).sum(axis=0), spread, out=slope[code], where=spread > 0)
    batches = tuple(str(name) for name in batch.categories)
    of_group = np.array([batches.index(name[0]) for name in names])
    return batches, tuple(names), slope, moved - slope[of_group] * mean
