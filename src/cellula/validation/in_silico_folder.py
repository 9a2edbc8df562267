"""The folder of a perturbation done in silico: ranked tables, the population, a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cellula.core.errors import DataError
from cellula.core.prediction import Prediction
from cellula.core.report import Report
from cellula.io.atomic import replaced_folder, restored, write_atomically
from cellula.io.prediction_file import write_predictions

__all__ = ["require_free", "write_in_silico"]

NAMES = ("genes.csv", "gene_sets.csv", "predicted.h5ad", "report.html")


def require_free(folder: Path, *, is_replaced: bool = False) -> None:
    """Raise DataError when the folder holds anything; with ``is_replaced``, anything but ours."""
    restored(folder)
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; name a folder")
    names = {item.name for item in folder.iterdir()}
    if names - set(NAMES):
        raise DataError(
            f"{folder} holds other things ({', '.join(sorted(names - set(NAMES))[:3])}); name a "
            "folder of its own"
        )
    if names and not is_replaced:
        raise DataError(f"{folder} holds {sorted(names)[0]}; replace it with --force")


def write_in_silico(
    prediction: Prediction, report: Report, page: str, about: Mapping[str, str], folder: Path
) -> tuple[Path, ...]:
    """Write tables, population and page, all or none; gives what was written.

    Raises StorageError when the folder cannot be written.
    """
    files = {f"{name}.csv": table.to_csv(index=False) for name, table in report.tables.items()}
    files["report.html"] = page
    with replaced_folder(folder.absolute()) as fresh:
        for name, text in files.items():
            write_atomically(fresh / name, text.encode())
        write_predictions(iter([prediction]), fresh / "predicted.h5ad", about)
    return tuple(folder / name for name in NAMES if name in files or name == "predicted.h5ad")
