"""Graphs from tables of pairs: a laboratory's own, BioGRID's columns, STRING's files."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.knowledge.pairs import PairColumns, pair_graph
from cellula.data.open import open_dataset
from cellula.io.formats import read, write
from cellula.testing.examples import single_cells

MADE = Provenance({"pairs.tsv": "0" * 64}, "CC-BY-4.0")
LINKS = """\
protein1 protein2 combined_score
9606.ENSP00000000233 9606.ENSP00000356607 490
9606.ENSP00000000233 9606.ENSP00000427567 198
"""
COLUMNS = PairColumns("a", "b", "score", least=2.0)


def table(rows: list[tuple[Any, Any, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["a", "b", "score"])


def test_pairs_are_joined_by_their_largest_weight() -> None:
    rows = [("B", "A", 3.0), ("A", "B", 5.0), ("A", "A", 9.0), ("A", "C", 1.0), ("C", "B", 2.0)]
    graph = pair_graph(table(rows), COLUMNS, "pairs.tsv", MADE, "v1")
    assert graph.names == ("A", "B", "C")
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 5, 0], [5, 0, 2], [0, 2, 0]])
    assert (graph.provenance, graph.version) == (MADE, "v1")
    plain = pair_graph(table(rows), PairColumns("a", "b"), "pairs.tsv", MADE)
    np.testing.assert_array_equal(plain.adjacency.toarray(), 1 - np.eye(3))


def test_proteins_are_called_by_their_symbols() -> None:
    rows = [("9606.P1", "9606.P2", 900.0), ("9606.P1", "9606.P9", 800.0)]
    called = {"9606.P1": "TP53", "9606.P2": "MDM2"}
    columns = PairColumns("a", "b", "score", called=called)
    assert pair_graph(table(rows), columns, "links", MADE).names == ("9606.P9", "MDM2", "TP53")


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([("A", "B", 1.0)], PairColumns("a", "z"), "no column 'z'; it has: 'a', 'b', 'score'"),
        ([("A", None, 1.0)], PairColumns("a", "b"), "row 0 has no 'b'"),
        ([("A", "B", "-")], PairColumns("a", "b", "score"), "row 0 has the weight '-'"),
        ([("A", "B", -1.0)], PairColumns("a", "b", "score"), "expected 0 or more"),
        ([("A", "A", 5.0), ("A", "B", 1.0)], COLUMNS, "of 2 rows none is a pair"),
    ],
)
def test_tables_that_are_none_say_so(
    rows: list[tuple[Any, Any, Any]], columns: PairColumns, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        pair_graph(table(rows), columns, "pairs.tsv", MADE)


def test_links_of_string_are_read(tmp_path: Path) -> None:
    path = tmp_path / "9606.protein.links.v12.0.txt.gz"
    path.write_bytes(gzip.compress(LINKS.encode()))
    links = read(path, "string_links")
    assert isinstance(links, pd.DataFrame)
    assert links["combined_score"].tolist() == [490, 198]
    columns = PairColumns("protein1", "protein2", "combined_score", least=400)
    assert pair_graph(links, columns, path.name, MADE).n_edges == 1
    path.write_bytes(gzip.compress(b"a\tb\n1\t2\n"))
    with pytest.raises(DataError, match="no table of STRING's links"):
        read(path, "string_links")


def profiles(folder: Path) -> tuple[Dataset, DataSource]:
    data = single_cells(n_cells=12)
    plain = data.data.copy()
    del plain.layers["counts"]
    write(plain, folder / "profiles.h5ad")
    columns = {"perturbation": "perturbation", "context": "context", "control": "is_control"}
    return data, DataSource(
        path="profiles.h5ad", role="profiles", value_type="log1p", columns=columns
    )


def genes_of(data: Dataset) -> list[str]:
    labels = {str(p) for p in data.treated.labels("perturbation").categories}
    return sorted({part for label in labels for part in label.split("+")})


@pytest.mark.requirement("E5")
def test_a_study_reads_pairs_as_features(tmp_path: Path) -> None:
    data, source = profiles(tmp_path)
    genes = [*genes_of(data), *(f"X{i}" for i in range(12))]
    rng = np.random.default_rng(0)
    rows = [(a, b, 600) for i, a in enumerate(genes) for b in genes[:i] if rng.random() < 0.6]
    rows += [(a, b, 600) for a, b in pairwise(genes)]
    lines = pd.DataFrame(rows, columns=["#node1", "node2", "combined_score"])
    lines.to_csv(tmp_path / "string_interactions.tsv", sep="\t", index=False)
    pairs = {"left": "#node1", "right": "node2", "weight": "combined_score", "dimensions": 3}
    features = DataSource(path="string_interactions.tsv", role="perturbation_features", pairs=pairs)
    opened = open_dataset([source, features], tmp_path)
    assert opened.perturbation_features is not None
    assert list(opened.perturbation_features.columns) == ["pair0", "pair1", "pair2"]
    assert set(genes_of(data)) <= set(opened.perturbation_features.index)
    assert set(opened.provenance.sources) == {"profiles.h5ad", "string_interactions.tsv"}


def other_cells(folder: Path, where: dict[str, str], file: str = "other.h5ad") -> DataSource:
    return DataSource(
        path=file,
        role="perturbation_features",
        responses=2,
        value_type="log1p",
        where=where,
        columns={"perturbation": "perturbation", "context": "context", "control": "is_control"},
    )


@pytest.mark.requirement("E5")
def test_a_study_reads_the_responses_of_other_cells_as_features(tmp_path: Path) -> None:
    _, source = profiles(tmp_path)
    other = single_cells(seed=5, n_cells=12).data
    del other.layers["counts"]
    write(other, tmp_path / "other.h5ad")
    opened = open_dataset([source, other_cells(tmp_path, {})], tmp_path)
    assert opened.perturbation_features is not None
    assert list(opened.perturbation_features.columns) == ["response0", "response1"]
    assert "other.h5ad (responses)" in opened.provenance.sources


@pytest.mark.requirement("E5")
def test_responses_of_the_same_cells_are_refused_and_of_other_cells_of_the_file_are_not(
    tmp_path: Path,
) -> None:
    _, source = profiles(tmp_path)
    one = source.model_copy(update={"where": {"context": "type0"}})
    same = other_cells(tmp_path, {}, "profiles.h5ad")
    with pytest.raises(DataError, match=r"made from held-out data: .* in type0"):
        open_dataset([one, same], tmp_path)
    elsewhere = other_cells(tmp_path, {"context": "type1"}, "profiles.h5ad")
    opened = open_dataset([one, elsewhere], tmp_path)
    assert opened.perturbation_features is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"role": "context_features"}, "make perturbation_features"),
        ({"value_type": None}, "responses need value_type"),
        ({"columns": {"perturbation": "p"}}, "responses need value_type"),
        ({"labels": ("x",)}, "no embedding, labels"),
        ({"responses": None, "pairs": {"left": "a", "right": "b"}}, "leave the others out"),
        ({"role": "profiles"}, "belong to perturbation_features"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {
        "path": "other.h5ad",
        "role": "perturbation_features",
        "responses": 2,
        "value_type": "log1p",
        "columns": {"perturbation": "p", "control": "c"},
    }
    DataSource(**good)
    with pytest.raises(ValidationError, match=words):
        DataSource(**(good | changes))
