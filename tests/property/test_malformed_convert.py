"""Malformed input to what writes: ``data convert`` and ``register`` leave nothing half-written."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from malformed_cases import attempt, cases

from cellula.io.formats import write
from cellula.testing.examples import ic50_table, single_cells
from cellula.testing.malformed import damaged_bytes, damaged_tree

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from study_example import tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with sound cells and the data of a study; keys are in another."""
    place = tmp_path_factory.mktemp("convert")
    write(single_cells(n_cells=4, n_readouts=4).data, place / "cells.h5ad")
    data = ic50_table()
    frame = data.obs.assign(value=data.dense()[:, 0])
    wide = frame.pivot(index="context", columns="perturbation", values="value")
    wide.rename_axis("line").reset_index().to_csv(place / "ic50.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("keys")))
        yield place


@cases(40)
@given(choice=st.data(), name=st.sampled_from(["out.h5ad", "out.gct", "out.parquet"]))
def test_40_damaged_files_are_converted_or_refused(
    folder: Path, choice: st.DataObject, name: str
) -> None:
    source = folder / "odd.h5ad"
    source.write_bytes(choice.draw(damaged_bytes((folder / "cells.h5ad").read_bytes())))
    attempt(folder, ["data", "convert", source, folder / name, "--drop"])
    (folder / name).unlink(missing_ok=True)


@cases(30)
@given(changed=damaged_tree(tree()))
def test_30_trees_are_registered_or_refused(folder: Path, changed: dict) -> None:
    (folder / "s.yaml").write_bytes(yaml.safe_dump(changed).encode())
    attempt(folder, ["register", folder / "s.yaml", "--workspace", folder / "w"])
    shutil.rmtree(folder / "w", ignore_errors=True)
