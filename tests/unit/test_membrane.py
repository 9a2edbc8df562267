"""Membranes with learned parts: the equations, their training, the errors of traces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cellula.core.errors import DataError, NotConverged
from cellula.core.run import run_context
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.formats import read
from cellula.models.hybrid.channel_block import firing_count, trace_errors
from cellula.models.hybrid.membrane import FreeMembrane, LearnedGates, simulated
from cellula.models.hybrid.membrane_training import MembraneOptions, fit_membrane, predicted
from cellula.models.hybrid.squid_axon import CurrentStep, Traces, recorded
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions

QUICK = MembraneOptions(stretches=(5, 20), iterations=(20, 3))


def traces(folder: Path, step: float = 0.1) -> Traces:
    steps = (CurrentStep(10.0), CurrentStep(10.0, open_na=0.5))
    return recorded(steps, 8.0, step, 0.0, run_context(0, folder))


class TrueGates:
    """Hodgkin and Huxley's own kinetics in place of the networks."""

    def __init__(self) -> None:
        self.inner = LearnedGates(1, 2, torch.Generator())

    def kinetics(self, v: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.stack(
            [
                0.1 * (v + 40) / (1 - torch.exp(-(v + 40) / 10)),
                0.07 * torch.exp(-(v + 65) / 20),
                0.01 * (v + 55) / (1 - torch.exp(-(v + 55) / 10)),
            ],
            dim=-1,
        )
        beta = torch.stack(
            [
                4 * torch.exp(-(v + 65) / 18),
                1 / (1 + torch.exp(-(v + 35) / 10)),
                0.125 * torch.exp(-(v + 65) / 80),
            ],
            dim=-1,
        )
        return alpha / (alpha + beta), 1 / (alpha + beta)


def test_steps_of_the_prior_are_those_of_the_axon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = []
    for step in (0.02, 0.01):
        truth, true = traces(tmp_path, step), TrueGates()
        monkeypatch.setattr(LearnedGates, "kinetics", lambda _, v, true=true: true.kinetics(v))
        found = predicted(true.inner, truth).numpy()[0]
        errors.append(float(np.sqrt(np.square(found - truth.v).mean())))
    assert errors[0] < 1.5
    assert errors[1] < 0.6 * errors[0]  # of first order


@pytest.mark.data
@pytest.mark.requirement("K9")
def test_the_axon_is_that_of_the_model_repository(tmp_path: Path, data_dir: Path) -> None:
    name = "hodgkin_huxley_squid_axon_model_1952_modified.cellml"
    network = read(data_dir / "models" / "cellml" / name)
    times = np.linspace(0.0, 20.0, 201)
    solver = Ode(SolverOptions(rtol=1e-8, atol=1e-10, max_steps=100_000, max_step=None))
    gates = ("sodium_channel_m_gate.m", "sodium_channel_h_gate.h", "potassium_channel_n_gate.n")
    run, rest = run_context(0, tmp_path), torch.tensor([-65.0], dtype=torch.float64)
    nobody = ParameterTable(gates, TrueGates().kinetics(rest)[0].numpy())  # as ours begin
    theirs = solver.simulate(network, nobody, Schedule(), times, run).of("membrane.V")[0]  # type: ignore[arg-type]
    ours = recorded((CurrentStep(20.0, 10.0, 10.5),), 20.0, 0.1, 0.0, run).v[0]
    until = times < 10.45  # a pulse near threshold: later, any small gap moves the spike
    assert np.abs(theirs + 10.0 - ours)[until].max() < 0.1  # their rest is 10 mV lower


@pytest.mark.requirement("K9", "K4")
def test_training_makes_traces_better_and_members_do_not_see_each_other(tmp_path: Path) -> None:
    truth, run = traces(tmp_path), run_context(0, tmp_path)
    truth = replace(truth, steps=truth.steps[:1], current=truth.current[:1], v=truth.v[:1])
    pair = LearnedGates(2, 4, torch.Generator().manual_seed(0))
    alone = LearnedGates(1, 4, torch.Generator().manual_seed(9))
    with torch.no_grad():
        for one, of in zip(alone.parameters(), pair.parameters(), strict=True):
            one.copy_(of[1:])
    told, own = fit_membrane(pair, truth, QUICK, run), fit_membrane(alone, truth, QUICK, run)
    assert np.allclose([phase[1] for phase in told], [phase[0] for phase in own], rtol=1e-8)
    assert told[0][0] < 10.0
    free = FreeMembrane(1, 8, 2, torch.Generator().manual_seed(0))
    before = float(np.square(predicted(free, truth).numpy() - truth.v).mean())
    fit_membrane(free, truth, QUICK, run)
    assert float(np.square(predicted(free, truth).numpy() - truth.v).mean()) < before


def test_what_cannot_be_trained_is_named(tmp_path: Path) -> None:
    truth, run = traces(tmp_path), run_context(0, tmp_path)
    gates = LearnedGates(1, 2, torch.Generator().manual_seed(0))
    with pytest.raises(DataError, match="2 stretches and 1 iterations"):
        fit_membrane(gates, truth, MembraneOptions(stretches=(1, 2), iterations=(3,)), run)
    with pytest.raises(DataError, match="traces of 80 steps are not cut into stretches of 7"):
        fit_membrane(gates, truth, MembraneOptions(stretches=(7,), iterations=(3,)), run)
    holes = replace(truth, v=np.where(truth.times > 4, np.nan, truth.v))
    with pytest.raises(NotConverged, match="no number at step 0 of stretches of 20"):
        fit_membrane(gates, holes, MembraneOptions(stretches=(20,), iterations=(3,)), run)


def test_a_step_of_runge_and_kutta_is_of_fourth_order() -> None:
    free = FreeMembrane(1, 6, 2, torch.Generator().manual_seed(1))
    start = torch.full((1, 1), -60.0, dtype=torch.float64)
    open = torch.ones(1, 2, dtype=torch.float64)
    ends = []
    for n in (4, 8, 16, 64):
        current = torch.full((1, n + 1), 5.0, dtype=torch.float64)
        with torch.no_grad():
            v, _ = simulated(free, start, free.start(start), current, open, 4.0 / n)
        ends.append(float(v[0, 0, -1]))
    coarse, middle, fine = (abs(end - ends[-1]) for end in ends[:3])
    assert coarse > 8 * middle > 64 * fine


def test_errors_of_traces() -> None:
    truth = np.array([[-65.0, 20.0, -65.0, 30.0, -65.0]])
    found = np.stack([truth, truth - 10.0, np.full_like(truth, -65.0)])
    assert firing_count(found).tolist() == [[2], [2], [0]]
    told = trace_errors(found, truth)
    assert told["rmse"][:2].tolist() == [0.0, 10.0]
    assert told["peak"].tolist() == [0.0, 10.0, 95.0]
    assert told["count"].tolist() == [0.0, 0.0, 2.0]
