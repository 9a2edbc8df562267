"""Whether a file is there: told, or said why it cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.io.conversion import convert
from cellula.io.presence import is_there
from cellula.testing.malformed import require_legible

LONG = "x" * 5000 + ".csv"


def test_it_tells(tmp_path: Path) -> None:
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "none" / "file")


def test_a_name_longer_than_any_disk_holds_is_told_in_short(tmp_path: Path) -> None:
    source = DataSource.model_validate(
        {"path": LONG, "role": "profiles", "value_type": "log2", "columns": {"context": "c"}}
    )
    (tmp_path / "a.csv").write_text("a\n1\n")
    for attempt in (
        lambda: is_there(tmp_path / LONG),
        lambda: open_dataset([source], tmp_path),
        lambda: convert(tmp_path / LONG, tmp_path / "b.csv"),
        lambda: convert(tmp_path / "a.csv", tmp_path / LONG),
    ):
        with pytest.raises(DataError, match=r"cannot look for .*x\.\.\. \(\d+ characters\)") as e:
            attempt()
        require_legible(e.value, str(tmp_path))
