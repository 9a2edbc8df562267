"""The door of a dataset: names, roles, values and features are checked here, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.roles import NUMERIC_ROLES, ROLES
from cellula.core.value_type import ValueType

__all__ = [
    "check_features",
    "check_finite",
    "check_names",
    "check_roles",
    "check_structures",
    "check_values",
]

#: So many profiles (of a sparse matrix 100 values each) tell whether values are integers.
SAMPLE_ROWS = 2000


def check_names(data: Any) -> None:
    """Names of readouts and profiles occur once. Raises DataError listing those that repeat."""
    for axis, names in (("readout", data.var_names), ("profile", data.obs_names)):
        if not names.is_unique:
            repeated = list(dict.fromkeys(names[names.duplicated()].astype(str)))
            shown = ", ".join(repeated[:5]) + (" ..." if len(repeated) > 5 else "")
            raise DataError(
                f"{len(repeated)} {axis} name(s) occur more than once: {shown}; "
                f"make them unique or merge the {axis}s before opening"
            )


def check_roles(obs: pd.DataFrame) -> None:
    """Every profile has a fitting value of every role. Raises DataError naming column and row."""
    for role in ROLES:
        if role not in obs.columns:
            continue
        column = obs[role]
        missing = np.flatnonzero(column.isna().to_numpy())
        if len(missing):
            raise DataError(
                f"column {role!r} has no value in row {missing[0]} (profile "
                f"{obs.index[missing[0]]!r}) and {len(missing) - 1} other rows; "
                "fill the values or drop the rows"
            )
        if role in NUMERIC_ROLES:
            numbers = pd.to_numeric(column, errors="coerce")
            wrong = np.flatnonzero((~np.isfinite(numbers) | (numbers < 0)).to_numpy())
            if len(wrong):
                raise DataError(
                    f"column {role!r} holds {str(column.iloc[wrong[0]])!r} in row {wrong[0]}; "
                    "expected a finite number that is not negative"
                )
        if role == "is_control" and column.dtype != bool:
            raise DataError(f"column 'is_control' is {column.dtype}; expected True or False")


def check_values(data: AnnData, value_type: ValueType) -> None:
    """The values are what the value type says. Raises DataError naming row and column."""
    check_finite(data, value_type)
    matrix = data.X
    stored = np.asarray(matrix.data if sp.issparse(matrix) else matrix)
    sample = stored[:SAMPLE_ROWS] if stored.ndim == 2 else stored[: SAMPLE_ROWS * 100]
    is_integer = bool(sample.size) and bool(np.all(sample == np.round(sample)))
    if value_type is ValueType.COUNTS and not is_integer:
        where = _first(data, stored != np.round(stored))
        raise DataError(
            f"value type 'counts' but a value is not an integer {where}; "
            "declare value_type = 'log1p' or hand over the raw counts"
        )
    if value_type is ValueType.LOG1P and sample.size and (is_integer or sample.max() > 30):
        raise DataError(
            f"value type 'log1p' but the matrix holds {'integers' if is_integer else 'values'} "
            f"up to {sample.max():g}: these are counts; declare value_type = 'counts' "
            "or normalise and take log1p first"
        )


def check_finite(data: AnnData, value_type: ValueType, first_row: int = 0) -> None:
    """Numbers, finite, and not negative where the value type has none that are.

    first_row: the row of a larger matrix at which ``data`` begins. Raises DataError naming row and
    column.
    """
    matrix = data.X
    if matrix is None or data.n_obs == 0 or data.n_vars == 0:
        raise DataError(f"the data have {data.n_obs} profiles and {data.n_vars} readouts: empty")
    stored = np.asarray(matrix.data if sp.issparse(matrix) else matrix)
    if not np.issubdtype(stored.dtype, np.number):
        raise DataError(f"the matrix holds {stored.dtype}; expected numbers")
    if not np.isfinite(stored).all():
        where = _first(data, ~np.isfinite(stored), first_row)
        raise DataError(f"the matrix has a value that is not finite {where}; drop or impute it")
    if value_type.is_non_negative and stored.size and stored.min() < 0:
        where = _first(data, stored < 0, first_row)
        raise DataError(
            f"value type {value_type.value!r} cannot be negative, but a value is {where}; "
            "declare the value type that the matrix really holds"
        )


def _first(data: AnnData, wrong: NDArray[np.bool_], first_row: int = 0) -> str:
    """Where the first wrong value stands, in words."""
    position = int(np.flatnonzero(wrong.ravel())[0])
    if wrong.ndim == 2:
        row, column = divmod(position, wrong.shape[1])
    else:
        csr = cast("sp.csr_matrix", data.X)
        row = int(np.searchsorted(csr.indptr, position, side="right")) - 1
        column = int(csr.indices[position])
    name = data.obs_names[row]
    return f"in row {first_row + row} ({name!r}), column {data.var_names[column]!r}"


def check_features(table: pd.DataFrame | None, label: str) -> None:
    """A table of features has one numeric row a label. Raises DataError naming what has not."""
    if table is None:
        return
    if not table.index.is_unique:
        repeated = table.index[table.index.duplicated()][0]
        raise DataError(f"{label} {repeated!r} has two rows in its feature table; keep one")
    if not table.columns.is_unique:
        repeated = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{label} feature {repeated!r} occurs twice; keep one")
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(
                f"{label} feature {name!r} is {table[name].dtype}, not a number; "
                f"leave it out with exclude = [{str(name)!r}] or encode it"
            )
    missing = np.argwhere(table.isna().to_numpy())
    if len(missing):
        row, column = missing[0]
        raise DataError(
            f"{label} feature {table.columns[column]!r} has no value for {table.index[row]!r}; "
            "impute it or leave the feature out"
        )


def check_structures(structures: Mapping[str, str]) -> None:
    """Every compound has a text as its structure. Raises DataError naming one that has not."""
    for name, smiles in structures.items():
        if not isinstance(smiles, str) or not smiles.strip():
            raise DataError(
                f"the structure of {name!r} is {smiles!r}; expected SMILES text, or no entry for a "
                "compound whose structure is not known"
            )
