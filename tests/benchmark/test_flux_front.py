"""A front of flux balance against flux balance and against a network, on media held out.

No growth was measured here: cells are simulated, by a law that the front can only partly know.
Uptake saturates, nutrients compete for it and glucose represses the others, and the fluxes of a
cell have a greatest sum; measurements have noise. Media are held out by what is in them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cobra
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.stats import t as student

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.io.formats import read
from cellula.models.hybrid.flux_conditions import FluxConditions, stops_of
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.trainer import (
    Positions,
    Training,
    TrainOptions,
    fit_then_refit,
)
from cellula.models.mechanistic.flux_problem import FluxProblem, flux_problem

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
FILE = Path(cobra.__file__).parent / "data" / "textbook.xml.gz"
NUTRIENTS = ("glc__D", "fru", "ac", "mal__L", "lac__D", "pyr", "succ", "glu__L")
UPTAKES = {name: f"R_EX_{name}_e" for name in (*NUTRIENTS, "o2")}
READOUTS = {
    "growth": "R_Biomass_Ecoli_core",
    "oxygen": "R_EX_o2_e",
    "carbon_dioxide": "R_EX_co2_e",
    "acetate": "R_EX_ac_e",
}
N_TRAIN, N_VALID, N_HELD, SEEDS = 60, 20, 100, 5
MOST_FLUX, NOISE = 500.0, 0.05
#: How fast a nutrient is taken up at most, from ... to, mmol per gram and hour: little enough that
#: what is taken up limits growth, or so much that oxygen does.
REGIMES = {"uptake limits": (1.5, 5.0), "oxygen limits": (4.0, 14.0)}
TRAIN = {"epochs": 60, "batch": 60, "learning_rate": 0.02, "patience": 30}


@dataclass(frozen=True)
class Truth:
    """What cells do, and the front is not told."""

    fastest: NDArray[np.float64]
    half: NDArray[np.float64]
    rivals: NDArray[np.float64]
    repressed: NDArray[np.float64]

    @classmethod
    def drawn(cls, rng: np.random.Generator, regime: str) -> Truth:
        n = len(NUTRIENTS)
        rivals = rng.exponential(0.6, (n, n)) * (rng.random((n, n)) < 0.4)
        np.fill_diagonal(rivals, 1.0)
        fastest = rng.uniform(*REGIMES[regime], n)
        return cls(fastest, rng.lognormal(0, 0.5, n), rivals, rng.uniform(0, 1.5, n))

    def taken_up(self, medium: NDArray[np.float64]) -> NDArray[np.float64]:
        """The greatest uptake of every nutrient, mmol per gram and hour."""
        s = medium / self.half
        glucose = np.where(np.arange(len(s)) == 0, 0.0, self.repressed) * s[0]
        return self.fastest * s / (1.0 + self.rivals @ s) / (1.0 + glucose)


def cell(problem: FluxProblem, capacity: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fluxes of a cell: growth is best while the sum of all fluxes is limited."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    lower[[problem.ids.index(id) for id in UPTAKES.values()]] = -np.append(capacity, 15.0)
    n = len(problem.ids)
    both = sp.hstack([problem.stoichiometry, -problem.stoichiometry])
    bounds = np.concatenate(
        [np.column_stack([np.maximum(lower, 0), np.maximum(upper, 0)]),
         np.column_stack([np.maximum(-upper, 0), np.maximum(-lower, 0)])]
    )  # fmt: skip
    cost = np.concatenate([-problem.weights, problem.weights]) + 1e-7
    found = linprog(
        cost, A_eq=both, b_eq=np.zeros(both.shape[0]), A_ub=np.ones((1, 2 * n)),
        b_ub=[MOST_FLUX], bounds=bounds, method="highs-ds",
    )  # fmt: skip
    return np.zeros(n) if found.x is None else found.x[:n] - found.x[n:]


def world(problem: FluxProblem, seed: int, regime: str) -> tuple[Dataset, NDArray[np.float64]]:
    """Media, measured growth and fluxes, and the same without noise; no composition twice."""
    rng = np.random.default_rng(seed)
    truth, seen = Truth.drawn(rng, regime), set()
    media: list[NDArray[np.float64]] = []
    while len(media) < N_TRAIN + N_VALID + N_HELD:
        is_there = rng.random(len(NUTRIENTS)) < 0.4
        if is_there.any() and tuple(is_there) not in seen:
            seen.add(tuple(is_there))
            media.append(is_there * rng.lognormal(0, 1, len(NUTRIENTS)))
    places = [problem.ids.index(id) for id in READOUTS.values()]
    exact = np.array([cell(problem, truth.taken_up(one))[places] for one in media])
    told = exact * (1 + NOISE * rng.normal(size=exact.shape))
    labels = [f"medium{i:03d}" for i in range(len(media))]
    obs = pd.DataFrame({"context": pd.Categorical(labels)}, index=[f"p{one}" for one in labels])
    obs["perturbation"] = pd.Categorical(["wild_type"] * len(labels))
    table = pd.DataFrame(np.column_stack([media, np.ones(len(media))]), labels, list(UPTAKES))
    data = AnnData(told, obs=obs, var=pd.DataFrame(index=list(READOUTS)))
    return Dataset(data, ValueType.QUANTITY, context_features=table), exact


def plain_network(
    parts: tuple[Dataset, Dataset, Dataset], run: RunContext, width: int = 32
) -> NDArray[np.float64]:
    """The same inputs, layers and training, and readouts in place of uptakes."""
    train, valid, held = parts
    empty = stops_of(read(FILE))
    both = train.take(np.arange(train.n_profiles))
    told = FluxConditions.of(both, train.queries(), list(UPTAKES), empty, ("wild_type",))
    values = np.concatenate([train.dense(), valid.dense()])
    centre, spread = values.mean(axis=0), values.std(axis=0)
    options = TrainOptions(**TRAIN)

    def tensors(*some: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = np.concatenate([told.encode(one.queries()).inputs for one in some])
        wanted = np.concatenate([(one.dense() - centre) / spread for one in some])
        return torch.from_numpy(inputs), torch.from_numpy(wanted)

    def training(*some: Dataset, other: Dataset | None = None) -> Training[torch.Tensor]:
        network = mlp((len(told.names), width, width, len(READOUTS))).double()
        x, y = tensors(*some)
        held_out = None if other is None else tensors(other)

        def error() -> float:
            return float(((network(held_out[0]) - held_out[1]) ** 2).mean())

        return Training(
            network,
            lambda rows, _: ((network(x[rows]) - y[rows]) ** 2).mean(),
            Positions(len(x), options.batch, 0),
            None if held_out is None else error,
        )

    with torch_scope(run, "plain") as scope:
        last, _ = fit_then_refit(
            lambda: training(train, other=valid),
            lambda: training(train, valid),
            options,
            scope,
            run,
        )
        with torch.no_grad():
            found = last.module(torch.from_numpy(told.encode(held.queries()).inputs))
    return found.numpy() * spread + centre


def apart(problem: FluxProblem, told: NDArray[np.float64]) -> float:
    """How far readouts are from those of any steady state within bounds, summed, the worst row."""
    places = [problem.ids.index(id) for id in READOUTS.values()]
    n, k = len(problem.ids), len(places)
    pick = sp.csr_matrix((np.ones(k), (np.arange(k), places)), (k, n))
    miss = sp.identity(k)
    a = sp.vstack([sp.hstack([problem.stoichiometry, sp.csr_matrix((len(problem.species), 2 * k))]),
                   sp.hstack([pick, miss, -miss])])  # fmt: skip
    lower = np.where(np.isin(problem.ids, list(UPTAKES.values())), -1000.0, problem.lower)
    bounds = [*zip(lower, problem.upper, strict=True), *[(0, None)] * (2 * k)]
    cost = np.concatenate([np.zeros(n), np.ones(2 * k)])
    zeros = np.zeros(len(problem.species))
    return max(
        linprog(cost, A_eq=a, b_eq=np.concatenate([zeros, row]), bounds=bounds).fun for row in told
    )


def contest(seed: int, regime: str, folder: Path) -> Mapping[str, tuple[float, float, float]]:
    """Contestant -> error of growth, of all readouts (in standard deviations), residual."""
    run = run_context(seed, folder)
    problem = flux_problem(read(FILE))
    data, exact = world(problem, seed, regime)
    cuts = np.split(np.arange(data.n_profiles), [N_TRAIN, N_TRAIN + N_VALID])
    train, valid, held = (data.take(rows) for rows in cuts)
    truth, spread = exact[cuts[2]], exact.std(axis=0)
    common: dict[str, Any] = {"network": FILE, "uptakes": UPTAKES, "readouts": READOUTS}
    common["capacities"] = {"o2": 20.0}
    answers: dict[str, tuple[NDArray[np.float64], float]] = {}
    fronts = {
        "flux front": {"train": TRAIN},
        "flux balance, fitted bounds": {"train": TRAIN, "front": "constant"},
        "flux balance": {"train": {"epochs": 1, "learning_rate": 1e-12}, "front": "constant"},
    }
    for name, own in fronts.items():
        model = registry.create("model", "flux_front", common | own)
        fitted = model.fit(train, valid, run)
        fluxes = fitted.fluxes(held.queries(), run)
        residual = float(np.abs(problem.stoichiometry @ fluxes.T).max())
        (answer,) = fitted.predict(held.queries(), None, run)
        answers[name] = answer.mean, residual
    network = plain_network((train, valid, held), run)
    answers["network"] = network, apart(problem, network)
    return {
        name: (
            float(np.sqrt(np.mean((told - truth)[:, 0] ** 2))),
            float(np.sqrt(np.mean(((told - truth) / spread) ** 2))),
            residual,
        )
        for name, (told, residual) in answers.items()
    }


@pytest.mark.requirement("K9")
@pytest.mark.parametrize("regime", list(REGIMES))
def test_held_out_media(regime: str, tmp_path: Path) -> None:
    found = [contest(seed, regime, tmp_path) for seed in range(SEEDS)]
    half = student.ppf(0.975, SEEDS - 1) / np.sqrt(SEEDS)
    lines = [f"{regime}: {N_HELD} media held out, {N_TRAIN} + {N_VALID} to fit, {SEEDS} seeds"]
    for name in found[0]:
        growth, whole, residual = np.array([one[name] for one in found]).T
        better = np.array([one["flux front"][1] for one in found]) - whole
        lines.append(
            f"{name:<28} growth {growth.mean():.4f} +- {half * growth.std(ddof=1):.4f}/h, "
            f"readouts {whole.mean():.3f} +- {half * whole.std(ddof=1):.3f} sd, "
            f"front less this {better.mean():+.3f} +- {half * better.std(ddof=1):.3f}, "
            f"residual {residual.max():.1e}"
        )
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    for one in found:
        assert one["flux front"][2] < 1e-9
    assert np.mean([one["flux front"][1] - one["flux balance"][1] for one in found]) < 0
