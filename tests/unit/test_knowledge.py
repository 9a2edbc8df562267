"""Graphs of genes: what they join, what a shuffle keeps, and that a leak is caught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.knowledge.coexpression import coexpression
from cellula.data.knowledge.embedding import (
    GeneEmbedding,
    group_digests,
    require_independent,
    sources_of,
    with_embedding,
)
from cellula.data.knowledge.graph import KnowledgeGraph
from cellula.data.knowledge.neighbours import likeness, nearest_graph
from cellula.data.knowledge.responses import response_embedding
from cellula.data.knowledge.sources import gene_ontology, interactions
from cellula.data.open import open_dataset
from cellula.io.digest import hash_source
from cellula.io.formats import write
from cellula.testing.examples import single_cells

MADE = Provenance({"table": "0" * 64})


def _graph(edges: list[tuple[int, int, float]], n: int) -> KnowledgeGraph:
    left, right, weight = (np.array(part) for part in zip(*edges, strict=True))
    one = sp.csr_matrix((weight, (left, right)), (n, n))
    return KnowledgeGraph(tuple(f"G{i}" for i in range(n)), sp.csr_matrix(one + one.T), MADE)


def _modules(n: int = 60, of: int = 3) -> KnowledgeGraph:
    """Genes joined to a third of those of their own module, and to nobody else."""
    rng = np.random.default_rng(0)
    module = np.arange(n) % of
    is_edge = np.triu((module[:, None] == module) & (rng.random((n, n)) < 0.35), 1)
    left, right = np.nonzero(is_edge)
    weight = rng.uniform(0.5, 1.0, len(left))
    return _graph(list(zip(left, right, weight, strict=True)), n)


def test_a_subset_keeps_the_order_asked_for_and_knows_strangers_by_no_edge() -> None:
    graph = _graph([(0, 1, 0.5), (1, 2, 0.25)], 3)
    part = graph.subset(["G2", "new", "G1"])
    assert part.names == ("G2", "new", "G1")
    expected = np.array([[0, 0, 0.25], [0, 0, 0], [0.25, 0, 0]])
    np.testing.assert_array_equal(part.adjacency.toarray(), expected)


@pytest.mark.parametrize(
    ("matrix", "names", "words"),
    [
        ([[0, 1], [1, 0]], ("A", "A"), "one name"),
        ([[0, 1], [0, 0]], ("A", "B"), "not symmetric"),
        ([[1, 0], [0, 0]], ("A", "B"), "loop"),
        ([[0, -1], [-1, 0]], ("A", "B"), "negative"),
        ([[0]], ("A", "B"), "expected \\(2, 2\\)"),
    ],
)
def test_what_is_no_graph_is_refused(
    matrix: list[list[float]], names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        KnowledgeGraph(names, sp.csr_matrix(np.array(matrix, float)), MADE)


def test_a_shuffle_keeps_every_degree_and_the_weights_and_forgets_the_modules() -> None:
    graph = _modules()
    mixed = graph.shuffled(np.random.default_rng(1))
    degree = np.diff(graph.adjacency.indptr)
    np.testing.assert_array_equal(np.diff(mixed.adjacency.indptr), degree)
    np.testing.assert_array_equal(np.sort(mixed.adjacency.data), np.sort(graph.adjacency.data))
    module = np.arange(60) % 3
    left, right = mixed.adjacency.nonzero()
    assert 0.2 < np.mean(module[left] == module[right]) < 0.45  # chance is a third
    again = graph.shuffled(np.random.default_rng(1))
    assert (again.adjacency != mixed.adjacency).nnz == 0


def test_an_embedding_puts_the_genes_of_a_module_together() -> None:
    graph = _modules()
    found = graph.embedding(2)
    module = np.arange(60) % 3
    centres = np.stack([found.vectors[module == m].mean(axis=0) for m in range(3)])
    nearest = ((found.vectors[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == module) > 0.95
    assert found.provenance == graph.provenance
    with pytest.raises(DataError, match="at most 58"):
        graph.embedding(59)


def test_a_large_graph_is_embedded_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = _modules()
    whole = graph.embedding(2).vectors
    monkeypatch.setattr("cellula.data.knowledge.graph.DENSE", 10)
    found = graph.embedding(2).vectors  # equal eigenvalues: equal but for a turn
    np.testing.assert_allclose(found @ found.T, whole @ whole.T, atol=1e-8)


def test_items_are_joined_to_those_most_alike() -> None:
    terms = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]], float)
    alike = likeness(terms)
    assert alike[0, 1] == pytest.approx(2 / 3)
    assert alike[0, 3] == 0
    graph = nearest_graph(alike, 1).toarray()
    assert graph[0, 1] == pytest.approx(2 / 3)
    assert graph[2, 3] == pytest.approx(0.5)
    assert graph[1, 2] == 0
    with pytest.raises(DataError, match="at least 1"):
        nearest_graph(alike, 0)
    assert likeness(np.array([[1.0, 2.0], [-1.0, -2.0], [2.0, 4.0]]))[0].tolist() == pytest.approx(
        [1.0, 0.0, 1.0]
    )


def test_coexpression_reads_the_controls_alone_and_within_their_context() -> None:
    data = single_cells(n_cells=40)
    graph = coexpression(data, neighbours=3, threshold=0.0)
    values = data.dense()
    values[~data.is_control] = 7.0  # whatever treated cells do
    other = data.data.copy()
    other.X = values
    changed = coexpression(replace(data, data=other), neighbours=3, threshold=0.0)
    assert (graph.adjacency != changed.adjacency).nnz == 0
    control = data.controls
    assert control is not None
    assert graph.provenance.sources == {"training controls": control.digest()}
    context = control.labels("context")
    levels = control.data.copy()
    levels.X = levels.X + 5.0 * np.asarray(context.codes)[:, None]
    shifted = coexpression(replace(control, data=levels), neighbours=3, threshold=0.0)
    np.testing.assert_allclose(shifted.adjacency.toarray(), graph.adjacency.toarray(), atol=1e-9)
    with pytest.raises(DataError, match="is_control"):
        coexpression(data.treated)


def test_processes_join_genes_that_share_them(tmp_path: Path) -> None:
    folder = tmp_path / "go"
    folder.mkdir()
    genes = [f"G{i:02d}" for i in range(24)]
    rows = [(g, "BP", f"GO:{1 + i // 12}", "IDA") for i, g in enumerate(genes)]
    columns = ["symbol", "ont", "go_id", "evidence"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "human_gene_go.csv", index=False)
    ends = pd.DataFrame({"child": ["GO:1", "GO:2"], "parent": ["GO:0", "GO:0"]})
    ends.to_csv(folder / "go_bp_parents.csv", index=False)
    graph = gene_ontology(folder, ["G00", "G01", "G12", "unknown"], neighbours=1)
    assert graph.adjacency[0, 1] == 1.0
    assert graph.adjacency[3].nnz == 0
    assert graph.provenance.sources == {"go": hash_source(folder)}


def test_interactions_take_a_complex_apart(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = [("L", "A_B", "x"), ("A", "L", "x"), ("L", "A", "y"), ("B", "B", "x"), ("L", "C", "z")]
    columns = ["source_genesymbol", "target_genesymbol", "resource"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    graph = interactions(path, ["L", "A", "B", "C"], ("x", "y"))
    np.testing.assert_array_equal(
        graph.adjacency.toarray(), [[0, 2, 1, 0], [2, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    )
    with pytest.raises(DataError, match="no resource 'w'; it has x, y, z"):
        interactions(path, ["L"], ("w",))


@pytest.mark.data
def test_real_graphs(data_dir: Path) -> None:
    path = data_dir / "graph" / "omni_resource.csv.gz"
    graph = interactions(path, ["LGALS9", "PTPRC", "MET", "CD44", "ERBB2"])
    assert graph.adjacency[0, 1] > 0
    assert graph.provenance.sources == {path.name: hash_source(path)}
    genes = ["MAP2K3", "MAP2K6", "KLF1", "CEBPE", "PTPN12"]
    ontology = gene_ontology(data_dir / "graph", genes, neighbours=2).adjacency.toarray()
    assert ontology[0].argmax() == 1  # MAP2K3 is most like MAP2K6
    assert ontology[0, 1] > 0.2


@pytest.mark.requirement("E5")
def test_an_embedding_made_from_held_out_profiles_is_caught() -> None:
    data = single_cells(n_cells=20)
    is_held = data.obs["perturbation"].isin(["G3"]).to_numpy()
    train, test = data.take(~is_held), data.take(is_held)
    leaked, clean = response_embedding(data, 2), response_embedding(train, 2)
    hidden = group_digests(test)
    with pytest.raises(DataError, match="G3 in type0"):
        with_embedding(train, leaked, hidden)
    given = with_embedding(train, clean, hidden)
    assert given.perturbation_features is not None
    assert list(given.perturbation_features.index) == list(clean.names)
    assert set(clean.provenance.sources) <= set(given.provenance.sources)


def test_what_stands_beside_the_values_does_not_hide_a_leak() -> None:
    data = single_cells(n_cells=20)
    bare = replace(data, perturbation_features=None, context_features=None)
    turned = bare.take(np.arange(bare.n_profiles)[::-1])
    assert group_digests(turned) == group_digests(data)


def test_an_embedding_says_what_it_was_made_from() -> None:
    with pytest.raises(DataError, match="provenance"):
        GeneEmbedding(("A",), np.ones((1, 2)), Provenance())
    found = GeneEmbedding(("A", "B"), np.ones((2, 2)), MADE)
    assert sources_of(found.annotated()) == dict(MADE.sources)
    assert sources_of(pd.DataFrame()) == {}
    wrong = found.annotated()
    wrong.uns["made_from"] = "no json"
    with pytest.raises(DataError, match="JSON"):
        sources_of(wrong)
    require_independent({"a": "1"}, {"b": "2"}, "x")


def _write(data: Dataset, folder: Path) -> Path:
    plain = data.data.copy()
    del plain.layers["counts"]
    write(plain, folder / "profiles.h5ad")
    return folder / "profiles.h5ad"


@pytest.mark.requirement("E5")
def test_a_study_whose_features_were_made_from_its_own_profiles_does_not_open(
    tmp_path: Path,
) -> None:
    data = single_cells(n_cells=12)
    path = _write(data, tmp_path)
    sources = [
        DataSource(
            path="profiles.h5ad",
            role="profiles",
            value_type="log1p",
            columns={"perturbation": "perturbation", "context": "context", "control": "is_control"},
        ),
        DataSource(
            path="embedding.h5ad",
            role="perturbation_features",
            columns={"perturbation": "symbol"},
        ),
    ]
    for digest, is_leak in ((hash_source(path), True), ("1" * 64, False)):
        made = response_embedding(replace(data, provenance=Provenance({"file": digest})), 2)
        made = replace(made, provenance=Provenance({"file": digest}))
        write(made.annotated(), tmp_path / "embedding.h5ad")
        if is_leak:
            with pytest.raises(DataError, match=r"embedding\.h5ad was made from held-out data"):
                open_dataset(sources, tmp_path)
        else:
            assert open_dataset(sources, tmp_path).perturbation_features is not None
