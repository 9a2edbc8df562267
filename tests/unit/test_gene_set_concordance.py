"""Changes of gene sets, and the sets of a file among the readouts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from cellula.core.comparison import GeneSets
from cellula.core.errors import DataError
from cellula.evaluation.gene_sets import match_gene_sets
from cellula.evaluation.metrics.gene_set_concordance import GeneSetConcordance
from cellula.evaluation.score import score
from cellula.io.formats import read
from cellula.testing.comparisons import comparison


@pytest.mark.requirement("E14", "E15")
def test_value_is_the_mean_over_groups() -> None:
    given = comparison(noise=1.0)
    assert given.reference is not None
    assert given.gene_sets is not None
    x, y = given.observed - given.reference, given.predicted - given.reference
    sets = given.gene_sets.members
    expected = []
    for group in range(len(x)):
        truth, said = ([side[group, row].mean() for row in sets] for side in (x, y))
        expected.append(pearsonr(truth, said).statistic)
    assert score(GeneSetConcordance(), given).value == pytest.approx(np.mean(expected), abs=1e-12)


def test_small_sets_do_not_count() -> None:
    given = comparison()
    assert given.gene_sets is not None
    lone = np.zeros((2, 5), bool)
    lone[0, 4] = True  # one member, and none
    more = GeneSets(
        (*given.gene_sets.names, "lone", "none"), np.vstack([given.gene_sets.members, lone])
    )
    value = score(GeneSetConcordance(), given).value
    assert score(GeneSetConcordance(), replace(given, gene_sets=more)).value == value
    two = GeneSets(("a", "b", "lone"), np.vstack([given.gene_sets.members[:2], lone[:1]]))
    found = score(GeneSetConcordance(), replace(given, gene_sets=two))
    assert "2 gene sets with at least 2 members" in found.reason


def test_errors_within_a_set_average_out() -> None:
    """Two genes of a set that err against one another leave the pathway right."""
    given = comparison()
    halves = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 1, 1, 1, 1]], bool)
    swapped = given.observed + np.array([2.0, -2.0, -1.0, 1.0, 0.0])
    found = replace(given, predicted=swapped, gene_sets=GeneSets(("a", "b", "c"), halves))
    assert score(GeneSetConcordance(), found).value == pytest.approx(1.0)


def test_reasons_and_no_change() -> None:
    given = comparison()
    assert given.reference is not None
    none = score(GeneSetConcordance(), replace(given, gene_sets=None))
    assert "there are no gene sets" in none.reason
    bare = score(GeneSetConcordance(), replace(given, reference=None))
    assert "no controls" in bare.reason
    still = replace(given, predicted=given.reference)
    assert score(GeneSetConcordance(), still).value == 0.0
    flat = replace(given, observed=given.reference + 1.0)
    assert "the same in all gene sets" in score(GeneSetConcordance(), flat).reason


SETS = "A\tna\tg1\tg2\tg9\nB\tna\tg3\nC\tna\tg2\tg3\tx\nD\tna\ty\n"


@pytest.mark.requirement("E15")
def test_the_sets_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "s.gmt").write_text(SETS)
    table = read(tmp_path / "s.gmt")
    assert isinstance(table, pd.DataFrame)
    found = match_gene_sets(table, ("g3", "g2", "g1"))
    assert found.sets.names == ("A", "C")
    assert found.sets.members.tolist() == [[False, True, True], [True, True, False]]
    assert found.too_small == ("B", "D")
    assert (found.n_found, found.n_genes) == (3, 6)
    assert found.describe() == (
        "3 of 6 genes of the gene sets are readouts; 2 sets are used, 2 have too few members (B, D)"
    )
    one = match_gene_sets(table, ("g3", "g2", "g1"), min_members=1)
    assert one.sets.names == ("A", "B", "C")


def test_sets_that_do_not_match_are_refused() -> None:
    table = pd.DataFrame({"set": ["A", "A"], "gene": ["ENSG1", "ENSG2"]})
    with pytest.raises(DataError, match=r"0 of 2 genes found.*ENSG1, ENSG2.*TP53.*identifiers"):
        match_gene_sets(table, ("TP53", "MDM2"))
    with pytest.raises(DataError, match="no column gene"):
        match_gene_sets(table.rename(columns={"gene": "symbol"}), ("TP53",))
