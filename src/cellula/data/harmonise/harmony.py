"""Harmony: batches mixed within soft clusters of principal components [korsunsky2019]_."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast, final

import numpy as np
import pandas as pd
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
from cellula.data.harmonise.components import PrincipalComponents, principal_components
from cellula.data.harmonise.mixture import Mixture, MixtureOptions, integrate, on_sphere
from cellula.data.harmonise.seeding import first_centroids, random_orders
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["CORRECTED", "UNCORRECTED", "FittedHarmony", "Harmony", "HarmonyOptions"]

#: The obsm entries of the coordinates after and before the correction.
CORRECTED, UNCORRECTED = "X_harmony", "X_pca"


class HarmonyOptions(MixtureOptions):
    """Options of Harmony: those of its mixture and of the space that it works in."""

    roles: tuple[str, ...] = ("batch",)
    """The roles whose levels are mixed."""
    n_components: int = Field(default=20, ge=2)
    """How many principal components, where there are so many."""
    max_readouts: int = Field(default=2000, ge=2)
    """The most variable readouts that the components are made of."""
    is_standardised: bool = False
    """Whether readouts are divided by their standard deviation: where their units differ."""
    is_embedding_only: bool = False
    """Whether the values stay as they are (and sparse) and only coordinates are corrected."""
    max_confounding: float = Field(default=0.5, ge=0, le=1)
    """The largest squared canonical correlation of mixed roles and perturbation."""

    @model_validator(mode="after")
    def _are_roles(self) -> Self:
        mixable = [role for role in ROLES if role not in {"perturbation", "is_control"}]
        wrong = [role for role in self.roles if role not in mixable]
        if wrong or not self.roles or len(set(self.roles)) < len(self.roles):
            raise ValueError(
                f"roles {', '.join(self.roles) or 'none'}: expected different roles of "
                f"{', '.join(mixable)}"
            )
        return self


@final
class Harmony:
    """Harmony [korsunsky2019]_ on principal components, kept so that it corrects further profiles.

    Fitting alternates clustering and correction; every round's centroids, penalties and shifts
    are kept. Applying sends profiles through the same rounds, each by itself. On the training
    profiles this agrees with the fit up to the order in which it updated them, which moves it
    less than another seed does. A level that was not seen has no shift: applying refuses it.
    """

    name: ClassVar[str] = "harmony"
    options_type: ClassVar[type[Options]] = HarmonyOptions
    references: ClassVar[tuple[str, ...]] = ("korsunsky2019", "dhillon2001")

    def __init__(self, options: HarmonyOptions) -> None:
        self.options = options

    def fit(self, data: Dataset, run: RunContext) -> FittedHarmony:
        """Learn components and mixture from ``data``, which must hold no held-out profile.

        Raises DataError on counts, on a role with fewer than two levels, on fewer than two
        components, and when levels cannot be told from perturbations.
        """
        if data.value_type is ValueType.COUNTS:
            raise DataError(
                "Harmony shifts profiles, which counts do not survive; normalise the counts and "
                "take log1p first"
            )
        options = self.options
        names = {role: _level_names(data, role) for role in options.roles}
        for role in options.roles:
            _require_separable(data, role, options.max_confounding)
        codes = _codes(data, names)
        rng = run.child(self.name).rng
        with one_blas_thread():
            space = principal_components(
                data,
                options.n_components,
                options.max_readouts,
                is_standardised=options.is_standardised,
            )
            embedding = space.place(data.values)
            n = len(embedding)
            start = first_centroids(on_sphere(embedding), options.clusters(n), rng)
            _, mixture = integrate(embedding, codes, options, start, random_orders(n, rng))
        return FittedHarmony(data.readouts, names, options.is_embedding_only, space, mixture)

    def restore(self, state: State) -> FittedHarmony:
        """The fitted transform whose state this is."""
        arrays = {name: np.asarray(array) for name, array in state.arrays.items()}
        meta = state.meta
        return FittedHarmony(
            tuple(meta["readouts"]),
            {str(role): tuple(levels) for role, levels in meta["levels"]},
            bool(meta["is_embedding_only"]),
            PrincipalComponents(
                arrays["columns"], arrays["mean"], arrays["scale"], arrays["loadings"]
            ),
            Mixture(float(meta["sigma"]), arrays["centroids"], arrays["penalty"], arrays["shift"]),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedHarmony:
    """Components and mixture; levels: the levels of every mixed role, in the mixture's order."""

    readouts: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    is_embedding_only: bool
    space: PrincipalComponents
    mixture: Mixture

    def apply(self, data: Dataset) -> Dataset:
        """The corrected dataset, with coordinates before and after in ``obsm``.

        Values are moved, within the components, by what their coordinates are moved; all else
        about a profile stays. They become dense, lose the layer of counts, and are cut off at
        zero where their value type cannot be negative. With ``is_embedding_only`` values stay.
        Raises DataError on other readouts and on levels that were not seen.
        """
        if data.readouts != self.readouts:
            raise DataError(
                f"Harmony was fitted on {len(self.readouts)} readouts, these data have "
                f"{len(data.readouts)} or another order; hand over the same ones"
            )
        codes = _codes(data, self.levels)
        with one_blas_thread():
            before = self.space.place(data.values)
            after = self.mixture.correct(before, codes)
            old = cast("AnnData", data.data)
            obsm = {key: old.obsm[key] for key in old.obsm} | {UNCORRECTED: before}
            obsm[CORRECTED] = after
            values = data.values if self.is_embedding_only else self._moved(data, after - before)
        layers = {key: old.layers[key] for key in old.layers if self.is_embedding_only}
        made = AnnData(values.copy(), old.obs.copy(), old.var.copy(), obsm=obsm, layers=layers)
        return replace(data, data=made)

    def state(self) -> State:
        """Components, the rounds of the mixture, and what they belong to."""
        space, mixture = self.space, self.mixture
        return State(
            {
                "columns": space.columns,
                "mean": space.mean,
                "scale": space.scale,
                "loadings": space.loadings,
                "centroids": mixture.centroids,
                "penalty": mixture.penalty,
                "shift": mixture.shift,
            },
            {
                "readouts": list(self.readouts),
                "levels": [[role, list(levels)] for role, levels in self.levels.items()],
                "is_embedding_only": self.is_embedding_only,
                "sigma": mixture.sigma,
            },
        )

    def _moved(self, data: Dataset, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.array(data.dense())  # dense may be a view of the data
        values[:, self.space.columns] += self.space.back(shift)
        if data.value_type.is_non_negative:
            np.maximum(values, 0.0, out=values)
        return values


def _labels(data: Dataset, role: str) -> pd.Categorical:
    data.role(role)
    return data.labels(role)


def _level_names(data: Dataset, role: str) -> tuple[str, ...]:
    """The levels of a role; DataError where there are fewer than two."""
    names = tuple(str(name) for name in _labels(data, role).categories)
    if len(names) < 2:
        raise DataError(
            f"Harmony mixes the levels of {role!r}, but all profiles are of {names[0]!r}; "
            "expected two levels or more: leave the correction out"
        )
    return names


def _codes(data: Dataset, levels: Mapping[str, tuple[str, ...]]) -> NDArray[np.int64]:
    """Codes (profiles, roles) of the levels, numbered through; DataError on an unseen one."""
    columns, first = [], 0
    for role, names in levels.items():
        labels = _labels(data, role)
        place = {name: first + code for code, name in enumerate(names)}
        unseen = [str(name) for name in labels.categories if str(name) not in place]
        if unseen:
            raise DataError(
                f"Harmony has not seen {len(unseen)} level(s) of {role!r}: "
                f"{', '.join(unseen[:5])}; it has no shift for them: fit it on data that hold them"
            )
        of_category = np.array([place[str(name)] for name in labels.categories], np.int64)
        columns.append(of_category[np.asarray(labels.codes, np.int64)])
        first += len(names)
    return np.stack(columns, axis=1)


def _require_separable(data: Dataset, role: str, limit: float) -> None:
    """Raise DataError where mixing the levels of a role would mix perturbations."""
    if not data.has_role("perturbation"):
        return
    mixed: Any = confounding(_labels(data, role), data.labels("perturbation"))
    if mixed.is_confounded or mixed.squared_correlation > limit:
        raise DataError(
            f"the levels of {role!r} differ in their perturbations (squared canonical correlation "
            f"{mixed.squared_correlation:.3f}, limit {limit}): Harmony would remove responses with "
            "the batches; fit it on the controls, or measure shared perturbations in every batch"
        )
