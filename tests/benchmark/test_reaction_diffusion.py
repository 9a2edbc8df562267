"""Reaction-diffusion against SciPy's BDF on the method of lines, at equal measured error.

One thread each, in one process, CPU time. Both solve the same semi-discrete equations; the error
is the greatest difference from a reference of ten times and more tighter tolerance.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from cellula.core.network import Compartment, Network, Participant, Reaction, Species
from cellula.core.run import run_context
from cellula.core.space import Grid, Space, Values
from cellula.io.infix import parse
from cellula.models.mechanistic.reaction_diffusion.options import ReactionDiffusionOptions
from cellula.models.mechanistic.reaction_diffusion.simulation import ReactionDiffusion

Floats = NDArray[np.float64]
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def laplacian(grid: Grid) -> sp.csr_array:
    """The discrete Laplacian without flow through sides."""
    found = sp.csr_array((grid.n_voxels, grid.n_voxels))
    for axis, (n, dx) in enumerate(zip(grid.cells, grid.spacing, strict=True)):
        line = sp.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1])
        line = line.tolil()
        line[0, 0] = line[-1, -1] = -1
        before, after = math.prod(grid.cells[:axis]), math.prod(grid.cells[axis + 1 :])
        whole = sp.kron(sp.kron(sp.eye_array(before), line / dx**2), sp.eye_array(after))
        found = found + whole
    return sp.csr_array(found)


def fisher(grid: Grid) -> tuple[Floats, Callable[[float], Floats], Callable[[float], Floats]]:
    """Fisher's equation from a bump: start, SciPy's solution and ours by tolerance."""
    middles = np.meshgrid(*(grid.centres(a) for a in range(len(grid.cells))), indexing="ij")
    away = sum((x - length / 3) ** 2 for x, length in zip(middles, grid.lengths, strict=True))
    start, end, spread = np.exp(-away / 8), 4.0, laplacian(grid)

    def peer(tolerance: float) -> Floats:
        found = solve_ivp(
            lambda t, u: spread @ u + u * (1 - u), (0, end), start.ravel(), method="BDF",
            jac=lambda t, u: sp.csc_array(spread + sp.diags_array(1 - 2 * u)),
            rtol=tolerance, atol=tolerance * 1e-2,
        )  # fmt: skip
        return found.y[:, -1].reshape(grid.cells)

    network = Network(
        "fisher",
        (Compartment("cell"),),
        (Species("u", "cell"),),
        reactions=(Reaction("grow", (), (Participant("u"),), parse("cell*u*(1-u)"), ("u",)),),
    )
    space = Space(grid, {"u": 1.0}, initial={"u": Values(start)})

    def ours(tolerance: float) -> Floats:
        simulator = ReactionDiffusion(ReactionDiffusionOptions(rtol=tolerance))
        run = run_context(1, Path())
        return simulator.simulate(network, space, np.array([0.0, end]), run).of("u")[-1]

    return start, peer, ours


def measured(solve: Callable[[float], Floats], reference: Floats) -> list[tuple[float, float]]:
    """(error, CPU seconds) of every tolerance."""
    solve(1e-2)
    found = []
    for tolerance in TOLERANCES:
        begin = time.process_time()
        values = solve(tolerance)
        taken = time.process_time() - begin
        found.append((float(np.abs(values - reference).max()), taken))
    return found


@pytest.mark.parametrize("grid", [Grid((60.0,), (600,)), Grid((48.0, 48.0), (128, 128))])
def test_against_the_method_of_lines(grid: Grid) -> None:
    _, peer, ours = fisher(grid)
    reference = peer(1e-9)
    assert np.abs(ours(1e-7) - reference).max() < 1e-5
    theirs, own = measured(peer, reference), measured(ours, reference)
    print(f"\n{grid.cells}: error and CPU seconds\n  BDF  {theirs}\n  ours {own}")
    for error, seconds in own:
        rivals = [taken for apart, taken in theirs if apart <= error * 1.5]
        if rivals:
            print(f"  error {error:.1e}: BDF / ours = {min(rivals) / seconds:.2f}")
    assert min(error for error, _ in own) < 1e-5
