"""From a study file on disk to data, splits and tasks; nothing is written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from study_example import GATE, prepared, study, table, tree

from cellula.core.errors import DataError, StudyError
from cellula.validation.preparation import prepare, split_files

HELD = {"fraction": 0.2, "seed": 1}


def written(folder: Path, content: dict[str, Any]) -> Path:
    """The study and its small wide table as files."""
    wide = pd.DataFrame(np.arange(30.0).reshape(6, 5) % 7, columns=[f"d{i}" for i in range(5)])
    wide.insert(0, "line", [f"l{i}" for i in range(6)])
    wide.to_csv(folder / "ic50.csv", index=False)
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def small(**claim: Any) -> dict[str, Any]:
    return tree(**claim) | {"model": [{"id": "offset", "kind": "row_column_offset"}]}


def test_a_study_on_disk_becomes_tasks(tmp_path: Path) -> None:
    path = written(tmp_path, small())
    before = {one: one.read_bytes() for one in tmp_path.iterdir()}
    found = prepare(path)
    assert found.data.n_profiles == 30
    assert found.name == "s.yaml"
    assert found.source == path.read_bytes()
    assert found.digest == found.data.digest()
    task = found.task("pairs")
    assert task.unit == "context"
    assert task.metric.definition.id == "variance_explained@1"
    assert [one.id for one in task.models] == ["mean_response", "offset"]
    assert {one: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_data_may_lie_in_another_folder(tmp_path: Path) -> None:
    elsewhere = tmp_path / "data"
    elsewhere.mkdir()
    path = written(elsewhere, small()).rename(tmp_path / "s.yaml")
    assert prepare(path, folder=elsewhere).data.n_profiles == 30
    with pytest.raises(DataError, match=r"ic50.csv: no such file"):
        prepare(path)


def test_the_unit_is_the_first_that_the_data_have(tmp_path: Path) -> None:
    assert prepare(written(tmp_path, small(unit=None))).task("pairs").unit == "perturbation"


def test_a_unit_that_the_data_do_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no role 'donor'"):
        prepare(written(tmp_path, small(unit="donor")))


@pytest.mark.requirement("L5")
def test_models_and_metrics_are_judged_before_any_data_are_read(tmp_path: Path) -> None:
    gates = [GATE, GATE | {"metric": "spearmann@1"}, GATE | {"metric": "rmse@7"}]
    wrong = small(gate=gates) | {"model": [{"id": "a", "kind": "rigde"}]}
    path = written(tmp_path, wrong)
    (tmp_path / "ic50.csv").unlink()
    with pytest.raises(StudyError) as caught:
        prepare(path)
    lines = caught.value.mistakes
    assert [line.split(": ")[0] for line in lines] == [
        "model.0.kind",
        "claim.0.gate.1.metric",
        "claim.0.gate.2.metric",
    ]
    assert "did you mean spearman" in lines[1]
    assert "rmse@1 is registered; write the version whose definition you mean" in lines[2]


@pytest.mark.requirement("L1", "E6")
def test_the_split_is_a_table_of_what_training_never_sees() -> None:
    chosen = prepared(study(hold_out={"folds": 3, "seed": 1}), table())
    files = split_files(chosen)
    assert list(files) == ["splits/pairs.parquet"]
    assert files == split_files(chosen)
    split = pd.read_parquet(io.BytesIO(files["splits/pairs.parquet"]))
    names = chosen.data.obs.index.astype(str).to_numpy()
    for fold in chosen.tasks[0].folds:
        part = split[split["fold"] == fold.name]
        test = part.loc[part["part"] == "test", "row"].to_numpy()
        assert np.array_equal(test, fold.test)
        assert list(part["profile"]) == list(names[part["row"]])
        left = np.setdiff1d(np.arange(len(names)), part["row"])
        assert np.array_equal(left, fold.train)


def test_what_would_leak_is_told_apart_from_what_is_sealed() -> None:
    from study_example import cells

    chosen = study(kind="unseen_perturbation", hold_out=["G0"], unit="donor")
    found = prepared(chosen, cells())
    split = pd.read_parquet(io.BytesIO(split_files(found)["splits/pairs.parquet"]))
    label = found.data.obs["perturbation"].astype(str).to_numpy()[split["row"]]
    assert set(label[split["part"] == "test"]) == {"G0"}
    assert set(label[split["part"] == "excluded"]) == {"G0+G1"}
