"""Training recovers a network that was planted in a prior network."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.errors import DataError, NotConverged
from cellula.core.expression import Symbol, apply
from cellula.core.logic import PerturbationTable, SignedEdge, SignedGraph
from cellula.models.mechanistic.logic_training import LogicTrainingOptions, train_logic
from cellula.models.mechanistic.prior_network import Hyperedge, compressed, expanded
from cellula.models.mechanistic.steady_levels import steady_levels

EDGES = """
egf 1 ras; tnf 1 ras; tnf 1 pi3k; egf 1 pi3k; ras 1 raf; raf 1 mek; pi3k -1 mek; mek 1 erk;
pi3k 1 akt; tnf 1 nik; nik 1 nfkb; akt 1 nfkb; erk 1 hsp; nfkb -1 hsp; erk 1 ras; akt -1 raf;
stray 1 erk; nfkb 1 dead_end
"""
NODES = ("egf", "tnf", "ras", "raf", "mek", "pi3k", "erk", "akt", "nfkb", "hsp")
PLANTED = (
    Hyperedge("ras", ("egf",), ()),
    Hyperedge("pi3k", ("tnf",), ()),
    Hyperedge("raf", ("ras",), ()),
    Hyperedge("mek", ("raf",), ("pi3k",)),
    Hyperedge("erk", ("mek",), ()),
    Hyperedge("akt", ("pi3k",), ()),
    Hyperedge("nfkb", ("tnf",), ()),
    Hyperedge("nfkb", ("akt",), ()),
    Hyperedge("hsp", ("erk",), ()),
    Hyperedge("hsp", (), ("nfkb",)),
)


def prior(text: str = EDGES) -> SignedGraph:
    parts = (edge.split() for edge in text.replace("\n", " ").split(";"))
    return SignedGraph("prior", tuple(SignedEdge(a, int(sign), b) for a, sign, b in parts))


def conditions() -> PerturbationTable:
    """All combinations of two stimuli and three inhibitors, seven readouts."""
    cues = np.array(list(itertools.product((False, True), repeat=5)))
    readouts = ("ras", "raf", "mek", "erk", "akt", "nfkb", "hsp")
    shape = (len(cues), 1, len(readouts))
    return PerturbationTable(
        ("egf", "tnf"),
        ("pi3k", "mek", "akt"),
        readouts,
        cues[:, :2],
        cues[:, 2:],
        np.array([30.0]),
        np.zeros(shape),
    )


def measured(noise: float = 0.0) -> PerturbationTable:
    table = conditions()
    levels = steady_levels(PLANTED, NODES, table)
    values: NDArray[np.float64] = levels[:, None, [NODES.index(id) for id in table.readouts]]
    blur = np.random.default_rng(0).normal(0, noise, values.shape)
    return replace(table, values=np.clip(values + blur, 0, 1))


@pytest.mark.requirement("S3", "K9")
def test_a_planted_network_is_found() -> None:
    found = train_logic(prior(), measured())
    assert found.mean_squared_error == 0.0
    expected = set(PLANTED) - {PLANTED[7]}  # akt is on only where tnf is: it adds nothing
    assert set(found.hyperedges) == expected
    mek = found.network.components[found.network.ids.index("mek")].target
    assert mek == apply("and", Symbol("raf"), apply("not", Symbol("pi3k")))
    assert {one.id for one in found.network.components if one.target is None} == {"egf", "tnf"}


def test_noise_does_not_move_it() -> None:
    noisy = measured(0.15)
    found = train_logic(prior(), noisy)
    assert np.array_equal(found.predicted, measured().values[:, 0])
    assert 0.0 < found.mean_squared_error < 0.02


def test_nothing_that_was_not_measured_counts() -> None:
    table = measured()
    values = table.values.copy()
    values[::3] = np.nan
    assert train_logic(prior(), replace(table, values=values)).mean_squared_error == 0.0


def test_nodes_do_not_hold_each_other_on() -> None:
    """Only by holding each other could b and c be on without a."""
    table = PerturbationTable(
        ("a",),
        (),
        ("b", "c"),
        np.array([[False], [True]]),
        np.zeros((2, 0), bool),
        np.array([1.0]),
        np.array([[[1.0, 1.0]], [[1.0, 1.0]]]),
    )
    found = train_logic(prior("a 1 b; b 1 c; c 1 b"), table)
    assert found.predicted.tolist() == [[0, 0], [1, 1]]
    assert found.mean_squared_error == 0.5


def test_a_network_that_oscillates_is_not_chosen() -> None:
    table = PerturbationTable(
        ("a",),
        (),
        ("b",),
        np.array([[True]]),
        np.zeros((1, 0), bool),
        np.array([1.0]),
        np.ones((1, 1, 1)),
    )
    found = train_logic(prior("a 1 b; b -1 b"), table, LogicTrainingOptions(size_penalty=1e-3))
    assert found.hyperedges == (Hyperedge("b", ("a",), ()),)
    oscillating = steady_levels([Hyperedge("b", (), ("b",))], ["a", "b"], table)
    assert np.isnan(oscillating).all()


def test_what_is_neither_perturbed_nor_measured_gives_way() -> None:
    edges = compressed(prior(), ("egf", "tnf"), ("erk", "nfkb"))
    assert ("tnf", 1, "nfkb") in edges
    named = {id for source, _, target in edges for id in (source, target)}
    assert not {"nik", "dead_end", "stray", "hsp", "mek"} & named
    assert ("ras", -1, "b") in compressed(prior("ras -1 x; x 1 b"), ["ras"], ["b"])
    pairs = expanded([("a", 1, "c"), ("a", -1, "c"), ("b", -1, "c")], 2)
    assert Hyperedge("c", ("a",), ("b",)) in pairs
    assert len(pairs) == 5


def test_a_graph_that_leads_to_stimuli_only_is_refused() -> None:
    cues = np.array([[True, True]])
    table = PerturbationTable(
        ("egf", "tnf"),
        (),
        ("tnf",),
        cues,
        np.zeros((1, 0), bool),
        np.array([1.0]),
        np.ones((1, 1, 1)),
    )
    with pytest.raises(DataError, match="lead to stimuli"):
        train_logic(prior("egf 1 tnf"), table)


def test_what_cannot_be_trained_is_refused() -> None:
    table = measured()
    with pytest.raises(DataError, match="from 0 to 2; training compares"):
        train_logic(prior(), replace(table, values=table.values * 2))
    with pytest.raises(DataError, match="nothing was measured at time 5; there are 30"):
        train_logic(prior(), table, LogicTrainingOptions(time=5.0))
    with pytest.raises(DataError, match="'pi3k' is no node"):
        train_logic(prior("egf 1 ras; tnf 1 raf"), table)
    with pytest.raises(DataError, match="no path"):
        compressed(prior("a 1 b; c 1 d"), ["a"], ["d"])
    with pytest.raises(NotConverged, match="raise time_limit_s"):
        train_logic(prior(), table, LogicTrainingOptions(time_limit_s=1e-9))
