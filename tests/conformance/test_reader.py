"""Every registered reader, with the writer of its name, keeps the rules of its contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core import registry
from cellula.core.expression import Number, Symbol, apply
from cellula.core.logic import Component, LogicNetwork, SignedEdge, SignedGraph
from cellula.core.network import (
    Compartment,
    Network,
    Parameter,
    Participant,
    RateRule,
    Reaction,
    Species,
)
from cellula.core.physics import Boundary, Field, Measured, PhysicsProblem, Unknown
from cellula.testing import ReaderConformance
from cellula.testing.multimodal import two_modalities
from cellula.testing.simulator import decay
from experiment_example import decay_archive, decay_experiment


def annotated_matrix() -> AnnData:
    """What formats of one matrix with annotations can hold: no layers, no categoricals."""
    rng = np.random.default_rng(0)
    samples, genes = [f"s{i}" for i in range(40)], [f"g{i}" for i in range(30)]
    obs = pd.DataFrame({"dose": rng.gamma(1, size=40), "drug": ["a", "b"] * 20}, index=samples)
    obs["is_control"] = [True, False] * 20
    var = pd.DataFrame({"entrez": np.arange(30), "symbol": ["x 1", "y"] * 15}, index=genes)
    return AnnData(rng.normal(size=(40, 30)), obs, var)


def counted_cells() -> AnnData:
    """What a 10x folder can hold: counts in CSR, two genes of one symbol, no column of obs."""
    rng = np.random.default_rng(1)
    cells = pd.DataFrame(index=[f"ACGT-{i}" for i in range(40)])
    var = pd.DataFrame({"gene_ids": [f"ENSG{i}" for i in range(30)]})
    var["feature_types"] = "Gene Expression"
    var.index = ["twin_ENSG0", "twin_ENSG1", *(f"g{i}" for i in range(2, 30))]
    counts = sp.csr_matrix(rng.poisson(1, size=(40, 30)).astype(np.float32))
    return AnnData(counts, cells, var)


def submission_2026() -> AnnData:
    """What the challenge of 2026 takes: 400 cells of every perturbation, raw counts."""
    rng = np.random.default_rng(2)
    obs = pd.DataFrame({"target_gene": ["g0", "g1"] * 400, "context": "A"}).astype("category")
    obs.index = obs.index.astype(str)
    counts = sp.csr_matrix(rng.poisson(1, size=(800, 5)).astype(np.float32))
    return AnnData(counts, obs, pd.DataFrame(index=[f"g{i}" for i in range(5)]))


def submission_2025() -> AnnData:
    """What the challenge of 2025 takes: log-normalised cells, controls among them."""
    rng = np.random.default_rng(3)
    obs = pd.DataFrame({"target_gene": ["g0", "non-targeting"] * 300}).astype("category")
    obs.index = obs.index.astype(str)
    values = sp.csr_matrix(rng.gamma(1.0, size=(600, 50)).astype(np.float32))
    return AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(50)]))


def two_components() -> LogicNetwork:
    """What .bnet can hold: a rule and an input."""
    return LogicNetwork("own", (Component("NF-kB", Symbol("TNF")), Component("TNF", None)))


def two_edges() -> SignedGraph:
    """A signed graph, under the name of its file."""
    return SignedGraph("own", (SignedEdge("EGF", 1, "Ras"), SignedEdge("TNF alpha", -1, "Ras")))


def counted_decay() -> Network:
    """What a .net file can hold: counts, in its own ids."""
    rate = apply("times", Symbol("k"), Symbol("S1"))
    sides = (Participant("S1"),), (Participant("S2"),)
    return Network(
        "own",
        (Compartment("cell"),),
        (
            Species("S1", "cell", 20.0, True, True, name="A()"),
            Species("S2", "cell", 0.0, True, True, name="B()"),
        ),
        (Parameter("k", 0.1),),
        (Reaction("R1", *sides, rate, is_reversible=False),),
        units={"substance": "item"},
    )


def diffusion() -> PhysicsProblem:
    """A physical problem with a place, an unknown and a measurement."""
    zero = Boundary("value", Number(0.0))
    field = Field("u", apply("times", -1, Symbol("u")), Symbol("x"), Symbol("D"), zero, zero)
    sought, measured = (Unknown("D", 0.1, 2.0),), (Measured("u", 0.5, 0.2, 0.01, 0.5),)
    return PhysicsProblem("own", (field,), (0.0, 1.0), (0.0, 1.0), {}, sought, (), measured)


def variables_of_decay() -> Network:
    """What CellML can hold: variables of a component that follow rules."""
    rate = apply("minus", apply("times", Symbol("own.k"), Symbol("own.A")))
    return Network(
        "own",
        parameters=(
            Parameter("own.A", 2.0, is_constant=False, unit="mole"),
            Parameter("own.k", 0.7, unit="(60.0 second)^-1"),
        ),
        rules=(RateRule("own.A", rate),),
        units={"time": "60.0 second"},
    )


#: Writers that refuse the contents of the kit, and what they write beside them.
OWN: dict[str, Callable[[], Any]] = {
    "bnet": two_components,
    "cellml": variables_of_decay,
    "bionetgen_net": counted_decay,
    "gct": annotated_matrix,
    "gctx": annotated_matrix,
    "physics": diffusion,
    "sif": two_edges,
    "tenx_mtx": counted_cells,
    "h5mu": lambda: two_modalities().data,
    "vcc2025": submission_2025,
    "vcc2026": submission_2026,
    "omex": lambda: replace(decay_archive(), id="own"),
    "sbml": decay,
    "sedml": lambda: replace(decay_experiment(), id="own"),
}


@pytest.mark.requirement("S2")
@pytest.mark.parametrize("name", registry.names("reader"))
def test_reader(name: str, tmp_path: Path) -> None:
    writer = registry.load("writer", name) if name in registry.names("writer") else None
    kit = ReaderConformance(registry.load("reader", name), writer)
    if name in OWN:
        kit = ReaderConformance(kit.plugin, writer, {"own": OWN[name](), **kit.contents})
    kit.check(tmp_path)
