"""The dataset: profiles x readouts with roles, value type and provenance, checked at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.canonical import hash_array, hash_frame, hash_json
from cellula.core.door import (
    check_features,
    check_names,
    check_roles,
    check_structures,
    check_values,
)
from cellula.core.errors import DataError
from cellula.core.matrix import StoredMatrix, dense
from cellula.core.query import QueryTable
from cellula.core.roles import NUMERIC_ROLES, ROLES
from cellula.core.value_type import ValueType

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["Dataset", "Matrix", "Provenance", "forget_names"]

#: A matrix of profiles x readouts: a dense array or a CSR matrix.
Matrix: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a dataset comes from and what may be done with it.

    sources: SHA-256 by name of every file read. license: SPDX expression or ``"unknown"``.
    duo: Data Use Ontology codes. jurisdiction, residency: ISO 3166 country codes. embeddings:
    name of a file of features -> what is known of the vectors in it (``of``, ``coverage``,
    ``missing``, ``checkpoint``), JSON values.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    license: str = "unknown"
    duo: tuple[str, ...] = ()
    jurisdiction: str = ""
    residency: tuple[str, ...] = ()
    citation: str = ""
    embeddings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Profiles x readouts with what they mean; everything is checked here, once.

    data: an AnnData (or a MuData of several modalities sharing obs) whose obs columns named
    in :data:`ROLES` are the roles; X holds ``value_type``. For populations of cells with
    ``value_type`` log1p, ``layers["counts"]`` may hold the counts.
    context_features, perturbation_features: numeric tables indexed by the labels, or None.
    value_types: of several modalities, those whose numbers are not ``value_type``.
    stored, stored_counts: X and the layer of counts where they are on disk, rows and columns as
    those of ``data``, whose own X is then None; they are checked as they are written.
    structures: compound -> standard SMILES, of compounds that were given and of others.
    One readout is as good as twenty thousand; coordinates stand in ``obsm["spatial"]``.

    Raises DataError, naming column, row and remedy, when readouts or profiles repeat, a role
    has no value, or values contradict the value type. (That a relative value type comes with
    controls is asked where data are opened: a part of a dataset need not have them.)
    """

    data: AnnData | MuData
    value_type: ValueType
    context_features: pd.DataFrame | None = None
    perturbation_features: pd.DataFrame | None = None
    provenance: Provenance = field(default_factory=Provenance)
    value_types: Mapping[str, ValueType] = field(default_factory=dict)
    stored: StoredMatrix | None = None
    stored_counts: StoredMatrix | None = None
    structures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(self.data)
        check_roles(self.data.obs)
        if self.stored is not None:
            if self.stored.shape != self.data.shape:
                raise DataError(
                    f"the stored matrix is {self.stored.shape}, its annotations {self.data.shape}"
                )
        elif isinstance(self.data, AnnData):
            check_values(self.data, self.value_type)
        for label in ("context", "perturbation"):
            check_features(getattr(self, f"{label}_features"), label)
        check_structures(self.structures)

    # -- what is in it ------------------------------------------------------------------------
    @property
    def obs(self) -> pd.DataFrame:
        """One row a profile."""
        return cast("pd.DataFrame", self.data.obs)

    @property
    def n_profiles(self) -> int:
        """How many profiles (cells or samples)."""
        return int(self.data.n_obs)

    @property
    def readouts(self) -> tuple[str, ...]:
        """The names of the readouts, in the order of the columns."""
        return tuple(self.data.var_names.astype(str))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that the profiles have."""
        return tuple(role for role in ROLES if role in self.obs.columns)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities; a plain AnnData has one, named after its value type."""
        if isinstance(self.data, AnnData):
            return (self.value_type.value,)
        return tuple(self.data.mod)

    @property
    def values(self) -> Matrix:
        """The matrix (profiles, readouts) of the one modality; DataError where there are more.

        Dense or CSR, or a :class:`~cellula.core.matrix.StoredMatrix`.
        """
        if self.stored is not None:
            return self.stored
        if not isinstance(self.data, AnnData):
            raise DataError(
                f"this dataset has the modalities {', '.join(self.modalities)}; "
                "take one with .modality(name, value_type)"
            )
        return cast("Matrix", self.data.X)

    @property
    def counts(self) -> Matrix | None:
        """The layer of counts, (profiles, readouts), or None where there is none."""
        if self.stored_counts is not None:
            return self.stored_counts
        return self.data.layers.get("counts") if isinstance(self.data, AnnData) else None

    def dense(self, rows: NDArray[Any] | slice = slice(None)) -> NDArray[np.float64]:
        """Some or all profiles as a dense float64 array (profiles, readouts)."""
        return dense(self.values[rows])

    def has_role(self, role: str) -> bool:
        """Whether the profiles have this role."""
        return role in self.obs.columns

    def role(self, role: str) -> pd.Series[Any]:
        """The column of a role; DataError, naming those there are, when it is missing."""
        if role not in ROLES:
            raise DataError(f"{role!r} is no role; expected one of {', '.join(ROLES)}")
        if role not in self.obs.columns:
            raise DataError(
                f"the data have no role {role!r} (they have: {', '.join(self.roles) or 'none'}); "
                f"name its column in the study: columns = {{ {role} = ... }}"
            )
        return cast("pd.Series[Any]", self.obs[role])

    def labels(self, column: str) -> pd.Categorical:
        """A role or other obs column as categorical text, (profiles,); DataError if missing."""
        if column not in self.obs.columns:
            raise DataError(
                f"no column {column!r}; the profiles have: {', '.join(map(str, self.obs.columns))}"
            )
        values = self.obs[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            return cast("pd.Categorical", values.cat.remove_unused_categories().array)
        return pd.Categorical(values.astype(str))

    @property
    def is_control(self) -> NDArray[np.bool_]:
        """Which profiles are controls: shape (profiles,); all False where there are none."""
        if not self.has_role("is_control"):
            return np.zeros(self.n_profiles, bool)
        return cast("NDArray[np.bool_]", self.obs["is_control"].to_numpy(bool))

    # -- parts of it --------------------------------------------------------------------------
    def take(self, rows: NDArray[Any]) -> Dataset:
        """Some profiles, by boolean mask or positions, with the same features."""
        positions = np.asarray(rows)
        if isinstance(self.data, AnnData):
            part = _profiles(self.data, positions)
            if self.stored is not None:
                forget_names(part)
            return self.unchecked(part, positions)
        from mudata import set_options

        with set_options(pull_on_update=False):
            part = self.data[positions].copy()
        part.obs = _labels_that_occur(part.obs)
        return self.unchecked(part)

    def unchecked(self, data: AnnData | MuData, rows: NDArray[Any] | None = None) -> Dataset:
        """The same dataset with other data known to be right: a part, or its own values again.

        rows: which profiles of this dataset they are, None for all; read where values are stored.

        Nothing is checked a second time; a part may look like another value type (a few cells
        without a count look like integers).
        """
        part = object.__new__(Dataset)
        for field_ in fields(Dataset):
            value = getattr(self, field_.name)
            is_part = rows is not None and isinstance(value, StoredMatrix)
            object.__setattr__(part, field_.name, value[rows] if is_part else value)
        object.__setattr__(part, "data", data)
        return part

    @property
    def controls(self) -> Dataset | None:
        """The control profiles, or None where there are none."""
        mask = self.is_control
        return self.take(mask) if mask.any() else None

    @property
    def treated(self) -> Dataset:
        """The profiles that are not controls."""
        return self.take(~self.is_control)

    def modality(self, name: str, value_type: ValueType | None = None) -> Dataset:
        """One modality of several as a dataset of its own, with the shared roles.

        value_type: what its numbers are; None takes what the dataset says of it. Raises
        DataError on an unknown name.
        """
        if isinstance(self.data, AnnData):
            raise DataError("this dataset has one modality only; use it as it is")
        if name not in self.data.mod:
            raise DataError(f"no modality {name!r}; there are: {', '.join(self.data.mod)}")
        part = self.data.mod[name].copy()
        shared = self.data.obs.loc[part.obs_names]
        for role in self.roles:
            part.obs[role] = shared[role]
        told = value_type or self.value_types.get(name, self.value_type)
        return replace(self, data=part, value_type=told, value_types={})

    def queries(self) -> QueryTable:
        """The question that every profile answers, row by row: shape (profiles,)."""
        number = {
            name: self.obs[name].to_numpy(np.float64)
            for name in NUMERIC_ROLES
            if self.has_role(name)
        }
        return QueryTable(
            self.labels("perturbation") if self.has_role("perturbation") else self._one("none"),
            self.labels("context") if self.has_role("context") else self._one("all"),
            number.get("dose_molar"),
            number.get("time_s"),
            self.labels("individual") if self.has_role("individual") else None,
        )

    def _one(self, label: str) -> pd.Categorical:
        return pd.Categorical.from_codes(np.zeros(self.n_profiles, np.int8), categories=[label])

    def digest(self) -> str:
        """SHA-256 of values, layers, names, obs, coordinates, features and value type.

        Raises DataError where the values are on disk: open the file in memory to register it.
        """
        if self.stored is not None:
            raise DataError("values on disk have no digest; open the file in memory for that")
        parts: list[object] = [self.value_type.value, hash_frame(self.obs)]
        if self.value_types:
            parts.append({name: kind.value for name, kind in sorted(self.value_types.items())})
        modalities = [self.data] if isinstance(self.data, AnnData) else [*self.data.mod.values()]
        for part in modalities:
            parts += [list(part.obs_names.astype(str)), list(part.var_names.astype(str))]
            parts += _hash_matrix(part.X)
            for layer in sorted(part.layers):
                parts += [layer, *_hash_matrix(part.layers[layer])]
            for name in sorted(part.obsm):
                parts += [name, *_hash_matrix(part.obsm[name])]
        for table in (self.context_features, self.perturbation_features):
            parts.append(None if table is None else hash_frame(table))
        if self.structures:
            parts.append(dict(self.structures))
        return hash_json(parts)


def forget_names(data: AnnData) -> None:
    """Drop what pandas keeps to look up the names of profiles since it was asked whether they are
    unique: more than the names themselves, which matters where all else is on disk.
    """
    data.obs.index = pd.Index(data.obs.index.array)


def _profiles(data: AnnData, rows: NDArray[Any]) -> AnnData:
    """Some profiles of one modality, copied; safe while other threads do the same."""
    return AnnData(
        None if data.X is None else data.X[rows],
        obs=_labels_that_occur(data.obs.iloc[rows] if rows.dtype != bool else data.obs[rows]),
        var=data.var.copy(),
        uns=dict(data.uns),
        obsm={name: _rows_of(data.obsm[name], rows) for name in data.obsm},
        varm={name: data.varm[name] for name in data.varm},
        layers={name: data.layers[name][rows] for name in data.layers},
    )


def _rows_of(array: Any, rows: NDArray[Any]) -> Any:
    if isinstance(array, pd.DataFrame):
        return array[rows] if rows.dtype == bool else array.iloc[rows]
    return array[rows]


def _labels_that_occur(obs: pd.DataFrame) -> pd.DataFrame:
    """A copy whose categoricals have no category that no row has."""
    kept = {
        name: obs[name].cat.remove_unused_categories()
        for name in obs.columns
        if isinstance(obs[name].dtype, pd.CategoricalDtype)
    }
    return obs.assign(**{str(name): column for name, column in kept.items()})


def _hash_matrix(matrix: Any) -> list[object]:
    if matrix is None:
        return [None]
    if isinstance(matrix, pd.DataFrame):
        return [hash_frame(matrix)]
    if sp.issparse(matrix):
        csr = sp.csr_matrix(matrix)
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
        return [
            list(csr.shape),
            hash_array(csr.indptr.astype(np.int64)),
            hash_array(csr.indices.astype(np.int64)),
            hash_array(csr.data),
        ]
    return [hash_array(np.asarray(matrix))]
