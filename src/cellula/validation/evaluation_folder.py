"""The folder of an evaluation: two tables, a page, and what it took to make them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import pandas as pd

from cellula.core.canonical import plain
from cellula.core.errors import DataError
from cellula.io.atomic import told, write_together
from cellula.validation.evaluating import Evaluated

__all__ = ["TableFormat", "require_free", "write_evaluation"]

TableFormat: TypeAlias = Literal["csv", "parquet"]

TABLES = ("scores", "summary", "strata", "paired", "spread", "risk", "intervals")
FORMATS = ("csv", "parquet")
PAGE, COST = "report.html", "cost.json"


def require_free(folder: Path, *, is_replaced: bool = False) -> None:
    """DataError when a file of an earlier evaluation is there and may not be replaced."""
    there = [folder / name for name in _names() if (folder / name).exists()]
    if there and not is_replaced:
        raise DataError(f"{there[0]} exists; replace it with --force or name another folder")


def write_evaluation(
    found: Evaluated, page: str, cost: Mapping[str, float], folder: Path, format: TableFormat
) -> tuple[Path, ...]:
    """Write tables, page and cost, all or none; tables of an earlier one are removed.

    cost: cpu_s, wall_s and peak_bytes; they differ from run to run and therefore stand alone in
    ``cost.json``: the other files have the same bytes for the same input. Raises StorageError.
    """
    files = {f"{name}.{format}": _bytes(table, format) for name, table in found.tables.items()}
    files[PAGE] = page.encode()
    files[COST] = f"{json.dumps(plain(dict(cost)), indent=2, sort_keys=True)}\n".encode()
    paths = write_together(folder, files)
    with told(folder):
        for name in _names():
            if name not in files:
                (folder / name).unlink(missing_ok=True)
    return paths


def _names() -> tuple[str, ...]:
    """All files that an evaluation may have written."""
    return (*(f"{name}.{suffix}" for name in TABLES for suffix in FORMATS), PAGE, COST)


def _bytes(table: pd.DataFrame, format: TableFormat) -> bytes:
    if format == "csv":
        return str(table.to_csv(index=False)).encode()
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()
