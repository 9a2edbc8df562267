"""Every example study by one command: dossier, intact bundle, baselines, ceiling, intervals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from example_run import EXAMPLES, require_whole, run_example

pytestmark = [pytest.mark.slow, pytest.mark.data]


@pytest.mark.requirement("E3", "E6", "O2")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_whole(
    path: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = run_example(path, data_dir, tmp_path / "workspace")
    require_whole(found)
    _print_deltas(path.stem, found)
    if path.stem == "kang_unseen_context":
        assert _delta(found, "selected") >= 0.83


def _delta(found: dict[str, Any], model: str) -> float:
    (row,) = (
        row
        for row in found["scores"]
        if (row["model"], row["metric"]) == (model, "pearson_delta@1")
    )
    return float(row["value"])


def _print_deltas(name: str, found: dict[str, Any]) -> None:
    for row in found["scores"]:
        if row["metric"] == "pearson_delta@1" and row["value"] is not None:
            place = f"{row['value']:.3f} [{row['lower']}, {row['upper']}]"
            print(f"{name} {row['claim']} {row['model']}: {place}")
