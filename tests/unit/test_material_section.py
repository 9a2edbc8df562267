"""Cells, sources and batches before and after, as the dossier shows them."""

from __future__ import annotations

import pytest
from dossier_example import corrected_batches

from cellula.report.before_after import Change, change_figure
from cellula.report.blocks import Absent, Facts, Figure, Table
from cellula.report.sections.material import batches_corrected


def test_every_change_has_a_row_and_a_reader() -> None:
    changes = [Change("mixing of batches", 0.2, 0.97), Change("context, silhouette", -0.1, -0.2)]
    figure = change_figure(changes, "caption")
    assert "mixing of batches .20 to .97; context, silhouette −.10 to −.20" in figure.wide
    for drawn in (figure.wide, figure.narrow):
        assert drawn.count("<circle") == drawn.count("<rect") == len(changes) + 1
    assert change_figure(changes, "caption") == figure


@pytest.mark.requirement("D3")
def test_a_correction_is_told_with_shift_mixing_and_biology() -> None:
    facts, table, figure = batches_corrected(corrected_batches())
    assert isinstance(facts, Facts)
    assert "Johnson" in dict(facts.pairs)["Reference"]
    assert isinstance(table, Table)
    (row,) = table.rows
    assert "→ –" in row[3].text
    assert [cell.status for cell in row[4:]] == ["pass", "pass"]
    assert isinstance(figure, Figure)
    _, failed, _ = batches_corrected(corrected_batches(is_biology_kept=False, reason="ari fell"))
    assert isinstance(failed, Table)
    assert failed.rows[0][5].status == "fail"
    assert failed.rows[0][5].small == "ari fell"


def test_without_a_correction_there_is_nothing_and_without_a_fit_it_says_so() -> None:
    assert batches_corrected({"is_applicable": True}) == []
    assert isinstance(batches_corrected(corrected_batches() | {"claims": []})[1], Absent)
