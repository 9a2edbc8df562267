"""A single-cell study on real data through the same door: CRISPR activation in K562."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cellula.cli.app import app

STUDY = Path(__file__).parents[2] / "examples" / "norman_unseen_perturbation.toml"
NAME = "norman-unseen-perturbation"


@pytest.fixture(scope="module")
def results(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of results of the study, registered and run once with keys of its own."""
    folder = tmp_path_factory.mktemp("norman")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        given = [str(STUDY), "--workspace", str(folder / "w"), "--data", str(data_dir)]
        cli = CliRunner()
        registered = cli.invoke(app, ["register", *given], catch_exceptions=False)
        assert registered.exit_code == 0, registered.output
        done = cli.invoke(app, ["run", *given, "--threads", "2"], catch_exceptions=False)
        assert done.exit_code in {0, 2, 5}, done.output
    return folder / "w" / "studies" / NAME


@pytest.fixture(scope="module")
def scores(results: Path) -> dict[str, Any]:
    with zipfile.ZipFile(results / f"{NAME}.zip") as archive:
        read = json.loads(archive.read("evidence/scores-unseen-perturbation.json"))
    payload: dict[str, Any] = read["payload"]
    return payload


def row(scores: dict[str, Any], model: str, metric: str) -> dict[str, Any]:
    (found,) = [r for r in scores["rows"] if (r["model"], r["metric"]) == (model, metric)]
    return dict(found)


@pytest.mark.data
@pytest.mark.requirement("E6", "O2")
def test_it_leaves_a_bundle_and_a_dossier(results: Path) -> None:
    assert (results / f"{NAME}.zip").is_file()
    page = (results / "dossier.html").read_text()
    assert "unseen-perturbation" in page
    # The licence of the data is unknown: their held-out values may not travel.
    with zipfile.ZipFile(results / f"{NAME}.zip") as archive:
        assert not [name for name in archive.namelist() if name.startswith("truth/")]


@pytest.mark.data
@pytest.mark.requirement("E3", "E6", "L2")
@pytest.mark.parametrize("metric", ["energy_distance@1", "pearson_delta@1"])
def test_every_model_stands_between_baseline_and_replicate(
    scores: dict[str, Any], metric: str
) -> None:
    ceiling = row(scores, "replicate", metric)
    assert ceiling["lower"] <= ceiling["value"] <= ceiling["upper"]
    for model in ("bilinear_ridge", "mean_response", "selected"):
        found = row(scores, model, metric)
        assert found["lower"] <= found["value"] <= found["upper"]
        anchored = found["anchored"]
        assert anchored["ceiling"] == "replicate"
        assert anchored["baseline"] in {"mean_response", "control"}
        assert anchored["lower"] <= anchored["value"] <= anchored["upper"]
        assert anchored["n_units"] == scores["n_units"] == 30


@pytest.mark.data
@pytest.mark.requirement("L2")
def test_the_scale_is_the_right_way_up(scores: dict[str, Any]) -> None:
    """A replicate beats the best trivial answer, which scores exactly 0."""
    for metric, is_better in (("energy_distance@1", -1), ("pearson_delta@1", 1)):
        anchored = row(scores, "mean_response", metric)["anchored"]
        assert is_better * (anchored["r"] - anchored["b"]) > 0
        assert anchored["value"] <= 0.0
    # A copy of the control has no effect to correlate, so the mean anchors the deltas.
    assert row(scores, "mean_response", "pearson_delta@1")["anchored"]["value"] == 0.0


@pytest.mark.data
def test_the_table(scores: dict[str, Any]) -> None:
    """Printed, not judged: ``pytest -s`` shows what the study found."""
    for model in ("replicate", "bilinear_ridge", "mean_response", "control", "selected"):
        for metric in ("pearson_delta@1", "energy_distance@1"):
            found = row(scores, model, metric)
            value = "none" if found["value"] is None else f"{found['value']:.3f}"
            anchored = found["anchored"] or {"value": None}
            print(f"{model:<16} {metric:<18} {value:>7}  anchored {anchored['value']}")
    assert {r["model"] for r in scores["rows"]} >= {"replicate", "bilinear_ridge", "selected"}
