"""A study of two batches through the command line: refused, corrected, decided, recomputed."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from shell import Shell

from cellula.evidence.bundle import read_bundle

Toy = Callable[..., Path]
BUNDLE = "studies/toy/toy.zip"


@pytest.fixture
def plates(toy: Toy) -> Path:
    """The toy study with cells of two plates, one of which shifts half of the readouts."""
    folds = "{ folds = 2, seed = 1 }"
    study = toy(n_genes=14, hold_out=folds, donor=', batch = "plate"')
    data = read_h5ad(study.with_name("cells.h5ad"))
    plate = np.arange(data.n_obs) % 2
    data.obs["plate"] = [f"plate{i}" for i in plate]
    data.X[:, ::2] += 1.0 * plate[:, None]
    data.write_h5ad(study.with_name("cells.h5ad"))
    return study


def corrected(study: Path, name: str = "combat") -> Path:
    text = study.read_text()
    choice = f'license = "CC-BY-4.0"\nharmonise = {{ name = "{name}" }}\n'
    study.write_text(text.replace('license = "CC-BY-4.0"\n', choice, 1))
    return study


def parts(workspace: str) -> dict[str, Any]:
    files = read_bundle(Path(workspace) / BUNDLE)
    return {name: json.loads(files[name]) for name in files if name.endswith(".json")}


@pytest.mark.requirement("D3", "D10", "L1", "L12")
def test_batches_are_refused_then_corrected(shell: Shell, plates: Path) -> None:
    said = shell("check", plates, exit_code=2)
    assert "a batch shift is left" in said
    assert 'harmonise = { name = "combat" }' in " ".join(said.split())
    study = corrected(plates)
    assert "no shift is left after combat" in " ".join(shell("check", study).split())
    for workspace, threads in (("w", "1"), ("w2", "2")):
        shell("register", study, "--workspace", workspace)
        shell("run", study, "--workspace", workspace, "--threads", threads, exit_code=None)
    files, again = (read_bundle(Path(w) / BUNDLE) for w in ("w", "w2"))
    signed = {"manifest.sig.json", "registration.json", "manifest.json"}
    for name in sorted({*files, *again} - signed):
        assert files[name] == again[name], name

    found = parts("w")
    card = found["data.json"][0]["harmonise"]
    assert card["truth"] == "held-out values corrected by the transform of their fold"
    assert set(card["states"]["unseen-gene"]) == {"fold-1", "fold-2"}
    batch = found["evidence/batch-data.json"]["payload"]
    assert batch["claims"][0]["before"]["is_shifted"]
    assert not batch["is_shifted"]
    assert found["evidence/sources_bias-data.json"]["payload"]["findings"]
    cells = found["evidence/cell_quality-data.json"]["payload"]
    assert cells["counts_from"] == "the layer counts"

    truth = _truth(files)
    # What the bundle calls truth is corrected: both plates in the middle of what was measured.
    raw = read_h5ad("cells.h5ad")
    control = raw[raw.obs["gene"] == "control"].to_df()["R0"]
    low, high = control.groupby(raw.obs["plate"], observed=True).mean().sort_values()
    reference = truth.loc[truth["readout"] == "R0", "reference"]
    assert np.isfinite(truth["observed"]).all()
    assert ((reference > low) & (reference < high)).all()

    shell("verify", f"w/{BUNDLE}")
    page = Path("w/studies/toy/dossier.html").read_text()
    for words in ("combat", "mixing of batches", "Whom the data speak for", "biology kept"):
        assert words in page
    assert "johnson2007" in shell("cite", study)


def _truth(files: Any) -> pd.DataFrame:
    return pd.read_parquet(BytesIO(files["truth/unseen-gene.parquet"]))


def test_an_unknown_transform_is_a_mistake_of_the_file(shell: Shell, plates: Path) -> None:
    said = shell("check", corrected(plates, "combta"), exit_code=1)
    assert "data.0.harmonise.name" in said
