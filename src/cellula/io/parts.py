"""The parts of an annotated matrix beyond X, obs and var: which there are, and without which."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import scipy.sparse as sp
from anndata import AnnData

__all__ = ["PARTS", "Reduced", "named_parts", "reduced"]

#: The parts of an annotated matrix that hold entries by name.
PARTS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


@dataclass(frozen=True, slots=True)
class Reduced:
    """What a format holds of a content, and the names of the parts that it does not."""

    content: Any
    lost: tuple[str, ...] = ()


def named_parts(data: AnnData) -> tuple[str, ...]:
    """The parts beside X, obs and var, each with its entries: ``layers counts, spliced``."""
    found = [
        f"{part} {', '.join(map(str, entries))}"
        for part in PARTS
        if (entries := list(getattr(data, part)))
    ]
    return (*found, *(["raw"] if data.raw is not None else []))


def reduced(
    data: AnnData, *, obs: Collection[str], var: Collection[str], is_dense: bool
) -> Reduced:
    """X and the named columns of obs and var; X dense where ``is_dense``.

    The parts that this leaves out are named: columns, the parts of :func:`named_parts`, and the
    sparse storage of X.
    """
    lost = list(named_parts(data))
    for axis, table, kept in (("obs", data.obs, obs), ("var", data.var, var)):
        gone = [str(name) for name in table.columns if name not in kept]
        lost += [f"{axis} columns {', '.join(gone)}"] if gone else []
    matrix: Any = data.X
    if is_dense and sp.issparse(matrix):
        lost.append("the sparse storage of X (its zeros are written out)")
        matrix = matrix.toarray()
    tables = (
        table[[name for name in table.columns if name in kept]].copy()
        for table, kept in ((data.obs, obs), (data.var, var))
    )
    return Reduced(AnnData(None if matrix is None else matrix.copy(), *tables), tuple(lost))
