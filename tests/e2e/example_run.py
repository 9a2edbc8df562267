"""An example study as a newcomer runs it, and what a run must leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cellula.cli.app import app

DELTA = "pearson_delta@1"
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
        metric = _metric(rows)
        scored = {row["model"]: row for row in rows if row["metric"] == metric}
        trivial = {"mean_response", "control"} if metric == DELTA else {"mean_response"}
        assert {*trivial, "selected"} <= set(scored)
        for model in {"selected", "mean_response", "replicate"} & set(scored):
            row = scored[model]
            assert row["lower"] <= row["value"] <= row["upper"]
        ceiling = "replicate" if "replicate" in scored else "ideal"
        assert scored["selected"]["anchored"]["ceiling"] == ceiling


def _metric(rows: list[dict[str, Any]]) -> str:
    """The metric that every study of a response has, or that of one readout without controls."""
    has_delta = any(row["metric"] == DELTA and row["value"] is not None for row in rows)
    return DELTA if has_delta else "rmse@1"
