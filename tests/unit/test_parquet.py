"""Parquet tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.io.parquet import ParquetTable


def test_round_trip_keeps_index_and_categoricals(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"c": pd.Categorical(["b", "a", "b"]), "x": [0.1, np.nan, 3.0], "n": [1, 2, 3]},
        index=pd.Index(["p", "q", "r"], name="profile"),
    )
    path = tmp_path / "t.parquet"
    ParquetTable().write(table, path)
    first = path.read_bytes()
    pd.testing.assert_frame_equal(ParquetTable().read(path), table)
    ParquetTable().write(table, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("keep", [0, 4, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "cut.parquet"
    ParquetTable().write(pd.DataFrame({"x": np.arange(1000.0)}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else int(keep)])
    with pytest.raises(DataError, match=r"cut\.parquet is not a whole Parquet file"):
        ParquetTable().read(path)


def test_mixed_types_and_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all numbers or all text"):
        ParquetTable().write(pd.DataFrame({"x": [1, "a"]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="not a list"):
        ParquetTable().write([], tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no file"):
        ParquetTable().read(tmp_path / "none.parquet")
    assert not list(tmp_path.iterdir())
