"""Consent, licence and boundary through the command line: what is not eligible is not fitted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import Shell

Toy = Callable[..., Path]

LICENCE = 'license = "CC-BY-4.0"'


def edited(study: Path, old: str, new: str) -> Path:
    text = study.read_text()
    assert old in text
    study.write_text(text.replace(old, new, 1))
    return study


@pytest.mark.requirement("P1", "R9", "B1")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (LICENCE, 'license = "unknown"', "cells.h5ad: the licence is unknown"),
        (LICENCE, 'license = "CC-BY-NC-4.0"', "state governance.use.is_commercial"),
        (LICENCE, f'{LICENCE}\nduo = ["HMB"]', "state governance.use.purpose"),
        (
            "[boundary]",
            '[governance.use]\npurpose = "ancestry"\n[boundary]\ncell_types = ["jurkat"]',
            "the study asks about k562",
        ),
    ],
)
def test_what_is_not_eligible_exits_with_4(
    shell: Shell, toy: Toy, old: str, new: str, said: str
) -> None:
    study = edited(toy(), old, new)
    if "jurkat" in new:
        _named_line(study)
    output = shell("check", study, exit_code=4)
    assert "✗ not_eligible" in output
    assert said in output


def _named_line(study: Path) -> None:
    """The context as a column of cell types."""
    import anndata

    cells = anndata.read_h5ad("cells.h5ad")
    cells.obs = cells.obs.rename(columns={"line": "cell_type"})
    cells.write_h5ad("cells.h5ad")
    edited(study, 'context = "line"', 'context = "cell_type"')


@pytest.mark.requirement("L1", "P1")
def test_nothing_is_fitted_and_no_label_opened(shell: Shell, toy: Toy) -> None:
    study = edited(toy(), LICENCE, f'{LICENCE}\nduo = ["GRU", "NPU"]')
    shell("register", study, "--workspace", "w")
    output = shell("run", study, "--workspace", "w", exit_code=4)
    assert "governance.use.is_not_for_profit" in output
    ledger = Path("w/studies/toy/toy.ledger.jsonl").read_text()
    assert '"labels_opened"' not in ledger
    assert '"fitted"' not in ledger
    shell("verify", "w/studies/toy/toy.zip")
    page = Path("w/studies/toy/dossier.html").read_text()
    assert "not eligible" in page


@pytest.mark.requirement("A10")
def test_check_counts_the_cautions(shell: Shell, toy: Toy) -> None:
    study = toy()
    output = shell("check", study)
    told = json.loads(shell("check", study, "--json"))
    assert len(told["cautions"]) > 3
    assert f"{len(told['cautions'])} cautions" in output
    assert {"kind", "where", "what", "n", "action"} == set(told["cautions"][0])
    assert output.count("! no consent code · ") == 2
