"""An example study as a newcomer runs it, and what a run must leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cellula.cli.app import app

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


def run_example(path: Path, data: Path, folder: Path) -> dict[str, Any]:
    """Register and run by one command; the JSON that it prints."""
    words = ["run", "--register", "--json", str(path), "--data", str(data)]
    done = CliRunner().invoke(app, [*words, "--workspace", str(folder)], catch_exceptions=False)
    assert "registered now, before anything is fitted" in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == found["exit_code"]
    return found


def require_whole(found: dict[str, Any]) -> None:
    """Dossier, baselines, ceiling and intervals are there, and the bundle is what was signed."""
    assert Path(found["dossier"]).is_file()
    assert found["exit_code"] in {0, 2, 5}
    assert CliRunner().invoke(app, ["verify", found["bundle"]]).exit_code == 0
    for claim in {row["claim"] for row in found["scores"]}:
        rows = [row for row in found["scores"] if row["claim"] == claim]
        deltas = {row["model"]: row for row in rows if row["metric"] == "pearson_delta@1"}
        assert {"mean_response", "control", "selected"} <= set(deltas)
        for model in {"selected", "mean_response", "replicate"} & set(deltas):
            row = deltas[model]
            assert row["lower"] <= row["value"] <= row["upper"]
        ceiling = "replicate" if "replicate" in deltas else "ideal"
        assert deltas["selected"]["anchored"]["ceiling"] == ceiling
