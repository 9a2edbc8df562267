"""What the organisers of the Virtual Cell Challenge accept: every violation, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.parts import named_parts

__all__ = [
    "CELL_TYPE",
    "CONTEXT",
    "CONTROL",
    "TARGET",
    "require_accepted",
    "violations_2025",
    "violations_2026",
]

#: The column of perturbations, and the label of controls in it.
TARGET = "target_gene"
CONTROL = "non-targeting"
#: Of 2026: the column of cell contexts, and the cells of every perturbation.
CONTEXT = "context"
CELLS_2026 = 400
#: Of 2025: the optional column of cell types, the most cells, and the largest logarithm.
CELL_TYPE = "celltype"
MOST_CELLS_2025 = 200_000
MOST_LOG = 15.0


def violations_2026(content: AnnData) -> tuple[str, ...]:
    """What the rules of 2026 forbid in a submission, one sentence each; () for an accepted one.

    Raw whole counts, sparse; obs target_gene and context; exactly 400 cells of every perturbation
    in every context; no control cells.
    """
    found = [*_columns(content, (TARGET, CONTEXT), ()), *_matrix(content), *_names(content)]
    found += _counts(content)
    if TARGET in content.obs:
        labels = content.obs[TARGET].astype(str)
        n_controls = int((labels == CONTROL).sum())
        if n_controls:
            found.append(f"{n_controls} cells are controls ({CONTROL}); hand in none")
        if CONTEXT in content.obs:
            found += _sizes(content.obs[labels != CONTROL])
    return tuple(found)


def violations_2025(content: AnnData) -> tuple[str, ...]:
    """What the rules of 2025 forbid in a submission, one sentence each; () for an accepted one.

    Log-normalised values in single or double precision, sparse; obs target_gene (and celltype);
    control cells among them; at most 200,000 cells.
    """
    found = [*_columns(content, (TARGET,), (CELL_TYPE,)), *_matrix(content), *_names(content)]
    found += _logs(content)
    if TARGET in content.obs and CONTROL not in set(content.obs[TARGET].astype(str)):
        found.append(f"no cell is a control: {TARGET} is never {CONTROL!r}")
    if content.n_obs > MOST_CELLS_2025:
        found.append(f"{content.n_obs:,} cells; at most {MOST_CELLS_2025:,}")
    return tuple(found)


def require_accepted(violations: Sequence[str], file: str, rules: str) -> None:
    """Raise DataError listing every violation, where there is one."""
    if violations:
        listed = "; ".join(violations)
        raise DataError(f"{file} breaks {len(violations)} rule(s) of {rules}: {listed}")


def _columns(content: AnnData, needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    found = [f"obs has no column {name!r}" for name in needed if name not in content.obs]
    found += [
        f"obs column {name!r} has {int(content.obs[name].isna().sum())} empty cell(s)"
        for name in needed
        if name in content.obs and content.obs[name].isna().any()
    ]
    extra = [str(name) for name in content.obs if name not in {*needed, *optional}]
    found += [f"obs holds more columns: {', '.join(extra)}"] if extra else []
    found += (
        [f"var holds columns: {', '.join(map(str, content.var))}"]
        if len(content.var.columns)
        else []
    )
    return [*found, *(f"it holds {part}" for part in named_parts(content))]


def _matrix(content: AnnData) -> list[str]:
    if content.X is None:
        return ["there is no matrix X"]
    if not (sp.issparse(content.X) and content.X.format == "csr"):
        return ["X is not sparse by rows (CSR)"]
    return []


def _names(content: AnnData) -> list[str]:
    return [
        f"{what} names are not unique"
        for what, names in (("gene", content.var_names), ("cell", content.obs_names))
        if not names.is_unique
    ]


def _values(content: AnnData) -> np.ndarray:
    if content.X is None:
        return np.empty(0)
    return np.asarray(content.X.data if sp.issparse(content.X) else content.X).ravel()


def _counts(content: AnnData) -> list[str]:
    values = _values(content)
    if values.dtype.kind not in "iuf":
        return [f"X holds {values.dtype}, not numbers"]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return ["X holds values that are not finite"]
    found = [f"{int((values < 0).sum())} values of X are negative"] if (values < 0).any() else []
    n_broken = int(np.count_nonzero(values != np.rint(values)))
    return [*found, *([f"{n_broken} values of X are no whole counts"] if n_broken else [])]


def _sizes(obs: pd.DataFrame) -> list[str]:
    if not len(obs):
        return ["there is no perturbed cell"]
    sizes = obs.groupby([CONTEXT, TARGET], observed=True).size()
    wrong = sizes[sizes != CELLS_2026]
    shown = ", ".join(f"{context} {target}: {n}" for (context, target), n in wrong.head(5).items())
    more = " ..." if len(wrong) > 5 else ""
    return (
        [f"{len(wrong)} perturbation(s) have not {CELLS_2026} cells: {shown}{more}"]
        if len(wrong)
        else []
    )


def _logs(content: AnnData) -> list[str]:
    values = _values(content)
    if values.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        return [f"X holds {values.dtype}; expected float32 or float64"]
    if not np.isfinite(values).all():
        return ["X holds values that are not finite"]
    found = [f"{int((values < 0).sum())} values of X are negative"] if (values < 0).any() else []
    if values.max(initial=0.0) >= MOST_LOG:
        found.append(f"X holds {values.max():.4g}, no log(1 + x) below {MOST_LOG:g}")
    elif values.size and not np.any(np.modf(values)[0] > 1e-3):
        found.append("X holds whole numbers only; expected log(1 + normalised counts)")
    return found
