"""A fitted model on disk is there whole or as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cellula.core import registry
from cellula.core.errors import DataError, StorageError
from cellula.core.run import RunContext
from cellula.testing.examples import ic50_table
from cellula.validation.exploratory import Declared, fit
from cellula.validation.fitted_folder import load_fitted, require_free, save_fitted

DECLARED = Declared(Path("x.csv"), {}, "ln_ic50", {})


def test_a_folder_is_replaced_whole_or_not_at_all(
    tmp_path: Path, run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, place = ic50_table(), tmp_path / "fitted"
    fitted, card = fit("mean_response", {}, data, DECLARED, run, seed=0)
    save_fitted(fitted, card, place)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    other, other_card = fit("row_column_offset", {}, data, DECLARED, run, seed=0)
    rename, calls = os.rename, []

    def failing(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(StorageError, match="no space left"):
        save_fitted(other, other_card, place, is_replaced=True)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["fitted"]
    save_fitted(other, other_card, place, is_replaced=True)
    assert load_fitted(place)[1].model == "row_column_offset"
    assert [path.name for path in tmp_path.iterdir()] == ["fitted"]


def test_only_free_places_are_free(tmp_path: Path) -> None:
    require_free(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    require_free(tmp_path / "empty")
    for name in ("model.json", "other"):
        (tmp_path / "full").mkdir(exist_ok=True)
        (tmp_path / "full" / name).write_text("")
        with pytest.raises(DataError, match="other things"):
            require_free(tmp_path / "full", is_replaced=True)


def test_a_state_of_another_version_is_told_as_one(tmp_path: Path, run: RunContext) -> None:
    fitted, card = fit("mean_response", {}, ic50_table(), DECLARED, run, seed=0)
    save_fitted(fitted, card.model_copy(update={"model": "bilinear_ridge"}), tmp_path / "f")
    assert "bilinear_ridge" in registry.names("model")
    with pytest.raises(DataError, match=r"expects .* in its state; fit it again"):
        load_fitted(tmp_path / "f")
