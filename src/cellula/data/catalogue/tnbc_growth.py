"""Time-lapse growth of triple-negative breast cancer lines under drugs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.data.catalogue.source import Source, members
from cellula.io.delimited import DelimitedTable

__all__ = ["SOURCE"]

MEMBER = "thunor/testdata/hts007.h5"
NS_PER_HOUR = 3.6e12
#: Table -> stored column -> name with unit. Columns stored as pickled objects are not read.
COLUMNS = {
    "assays": {"well_id": "well_id", "timepoint": "timepoint_h", "value": "cell_count"},
    "controls": {
        "cell_line": "cell_line",
        "plate": "plate",
        "well_id": "well_id",
        "timepoint": "timepoint_h",
        "value": "value",
        "well_num": "well_num",
    },
    "doses": {
        "drug1": "drug",
        "cell_line": "cell_line",
        "dose1": "dose_M",
        "dataset": "dataset",
        "well_id": "well_id",
        "well_num": "well_num",
    },
}


def tables(archive: Path, files: Mapping[str, str], folder: Path) -> None:
    """Write assays, controls and doses as tables: times in hours, doses in mol/l.

    Raises DataError when the archive's file is damaged or is laid out in another way.
    """
    content = members(archive, set(files.values()))[MEMBER]
    try:
        with h5py.File(io.BytesIO(content)) as stored:
            read = {name: _table(stored[name], COLUMNS[name]) for name in COLUMNS}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{MEMBER} of {archive.name} cannot be read: {error}") from error
    for name, table in read.items():
        DelimitedTable().write(table, folder / f"{name}.csv.gz")


def _table(group: Any, wanted: Mapping[str, str]) -> pd.DataFrame:
    """The levels of the row index, then the columns of the numeric blocks."""
    found: dict[str, NDArray[Any]] = {}
    for level in range(int(group.attrs["axis1_nlevels"])):
        stored = group[f"axis1_level{level}"]
        name = next(
            str(_text(value)) for key, value in stored.attrs.items() if key.startswith("axis1_name")
        )
        values = stored[:]
        if str(_text(stored.attrs["kind"])).startswith("timedelta"):
            values = np.round(values / NS_PER_HOUR, 1)
        elif values.dtype.kind == "S":
            values = np.array([_text(value) for value in values], object)
        found[name] = values[group[f"axis1_label{level}"][:]]
    for block in range(int(group.attrs["nblocks"])):
        values = group[f"block{block}_values"]
        if values.dtype.kind not in "if":
            continue
        for place, item in enumerate(group[f"block{block}_items"][:]):
            found[str(_text(item))] = values[:, place]
    return pd.DataFrame({new: found[old] for old, new in wanted.items()})


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


SOURCE = Source(
    name="tnbc_growth",
    title="Growth of triple-negative breast cancer lines",
    what="cell counts over time in 8 lines under 27 drugs at 10 doses, with controls",
    license="GPL-3.0-only",
    citation="Lubbock et al., Nucleic Acids Res. 49:W633 (2021), doi:10.1093/nar/gkab424",
    package="thunor",
    version="1.0.3",
    sha256="e02dcd46241a943ce2f523ae39b66465f2a3696c0fb8a2f7e343b685e5b3f1ce",
    form="wheel",
    files={f"{name}.csv.gz": MEMBER for name in COLUMNS},
    unpack=tables,
)
