"""What differs between a content and what a file gives back of it, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.io.parts import PARTS

__all__ = ["differences"]

#: Parts of models whose order has no meaning.
UNORDERED = {"parameters", "rules"}
#: Floats and names that are equal in value are equal, whatever type holds them.
NUMBER = "iufb"


def differences(wrote: Any, read: Any) -> tuple[str, ...]:
    """The parts whose values are not the same, named; () when all of them are.

    The type of a number, sparse storage, whether text is kept as categories, and whether a text
    of digits is read as the number that writes itself so (``"12"``) may differ; values, missing
    values, names and the order of ordered categories may not.
    """
    return tuple(_any(wrote, read))


def _models(wrote: Any, read: Any) -> Iterator[str]:
    """The fields of two models that differ; the id may be the file's name."""
    for one in fields(wrote):
        before, after = getattr(wrote, one.name), getattr(read, one.name)
        if one.name in UNORDERED:
            before, after = sorted(before, key=_key), sorted(after, key=_key)
        if one.name != "id" and before != after:
            yield f"the {one.name} of the model as they are"


def _key(part: Any) -> str:
    return str(getattr(part, "id", getattr(part, "target", "")))


def _any(wrote: Any, read: Any) -> Iterator[str]:
    if isinstance(wrote, pd.DataFrame) and isinstance(read, pd.DataFrame):
        yield from _tables(wrote, read, "the table")
    elif is_dataclass(wrote) and type(wrote) is type(read):
        yield from _models(wrote, read)
    elif isinstance(wrote, AnnData) and isinstance(read, AnnData):
        yield from _matrices(wrote, read)
    elif type(wrote) is type(read) and hasattr(wrote, "mod"):
        yield from _tables(wrote.obs, read.obs, "the shared obs")
        if list(wrote.mod) != list(read.mod):
            yield f"the modalities {', '.join(wrote.mod)}"
            return
        for name, part in wrote.mod.items():
            yield from (f"{name}: {what}" for what in _matrices(part, read.mod[name]))
    else:
        yield f"a {type(wrote).__name__}: it comes back as {type(read).__name__}"


def _matrices(wrote: AnnData, read: AnnData) -> Iterator[str]:
    if wrote.shape != read.shape:
        yield f"{wrote.n_obs} profiles x {wrote.n_vars} readouts"
        return
    yield from _tables(wrote.obs, read.obs, "obs")
    yield from _tables(wrote.var, read.var, "var")
    if not _same(wrote.X, read.X):
        yield "the values of X"
    if (wrote.raw is None) != (read.raw is None):
        yield "raw"
    for part in PARTS:
        before, after = getattr(wrote, part), getattr(read, part)
        gone = [str(name) for name in before if name not in after]
        if part != "uns":
            gone += [str(k) for k in before if k in after and not _same(before[k], after[k])]
        if gone:
            yield f"{part} {', '.join(gone)}"


def _tables(wrote: pd.DataFrame, read: pd.DataFrame, what: str) -> Iterator[str]:
    if list(wrote.index.astype(str)) != list(read.index.astype(str)):
        yield f"the row names of {what}"
        return
    changed = [
        str(name)
        for place, name in enumerate(wrote.columns)
        if name not in read.columns or not _same_column(wrote.iloc[:, place], read[name])
    ]
    if changed:
        yield f"the columns {', '.join(changed)} of {what} as they are"


def _same_column(wrote: pd.Series[Any], read: Any) -> bool:
    if isinstance(wrote.dtype, pd.CategoricalDtype):
        is_kept = isinstance(read.dtype, pd.CategoricalDtype) and read.cat.ordered
        if wrote.cat.ordered and not is_kept:
            return False
    gone = wrote.isna().to_numpy()
    if not np.array_equal(gone, read.isna().to_numpy()):
        return False
    before, after = (column.to_numpy(dtype=object)[~gone] for column in (wrote, read))
    if np.array_equal(before, after):
        return True
    is_text = all(isinstance(value, str) for value in before)
    return is_text and before.tolist() == [str(value) for value in after]


def _same(wrote: Any, read: Any) -> bool:
    if wrote is None or read is None:
        return wrote is read
    if isinstance(wrote, pd.DataFrame):
        return isinstance(read, pd.DataFrame) and not list(_tables(wrote, read, ""))
    if sp.issparse(wrote) or sp.issparse(read):
        return wrote.shape == read.shape and _same_stored(_csr(wrote), _csr(read))
    before, after = np.asarray(wrote), np.asarray(read)
    is_number = before.dtype.kind in NUMBER and after.dtype.kind in NUMBER
    return bool(np.array_equal(before, after, equal_nan=is_number))


def _csr(matrix: Any) -> Any:
    """A canonical copy: sorted, nothing twice, no zero stored."""
    kept = sp.csr_matrix(matrix, copy=True)
    kept.sum_duplicates()
    kept.eliminate_zeros()
    return kept


def _same_stored(wrote: Any, read: Any) -> bool:
    pairs = ((wrote.indptr, read.indptr), (wrote.indices, read.indices))
    is_same = all(np.array_equal(before, after) for before, after in pairs)
    return is_same and bool(np.array_equal(wrote.data, read.data, equal_nan=True))
