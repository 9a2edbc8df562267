"""``cellula simulate`` of a physical problem, the sweep of its weight, and their pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core.errors import CellulaError, DataError, StudyError
from cellula.core.run import run_context
from cellula.io.formats import read
from cellula.models.hybrid.constraint_sweep import Truth, constraint_sweep
from cellula.models.hybrid.physics_informed import PhysicsInformed
from cellula.models.hybrid.physics_options import PhysicsOptions
from cellula.report.log_curves import log_curves

TEXT = """
physics = 1
id = "decay"
time = [0.0, 1.0]

[unknowns.k]
lower = 0.1
upper = 10.0

[fields.u]
rate = "-k * u"
initial = 2.0
exact = "2 * exp(-k * time)"

[[data]]
field = "u"
time = 1.0
value = 0.446
sigma = 0.01
"""
FEW = ("widths=[8]", "points=40", "adam_steps=50", "lbfgs_steps=100", "data_weight=10")


def cellula(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def problem(tmp_path: Path) -> str:
    path = tmp_path / "decay.physics.toml"
    path.write_text(TEXT)
    return str(path)


@pytest.mark.requirement("K9", "S2")
def test_a_problem_is_solved_and_compared(problem: str, tmp_path: Path) -> None:
    options = [word for one in FEW for word in ("--option", one)]
    to = ("--out", str(tmp_path / "u.csv"), "--plot", str(tmp_path / "pictures"))
    told = json.loads(cellula("simulate", problem, *to, *options, "--json"))
    assert told["estimates"]["k"] == pytest.approx(1.5, rel=0.02)
    assert set(told["relative_difference"]) == {"the plain solver", "the exact solution"}
    assert max(told["relative_difference"].values()) < 1e-2
    assert told["options"]["widths"] == [8]
    table = pd.read_csv(tmp_path / "u.csv")
    assert list(table.columns) == ["time", "u", "u_plain", "u_exact"]
    assert len(table) == 51
    svg = (tmp_path / "pictures" / "convergence.svg").read_text()
    assert "data ends at" in svg
    with pytest.raises(DataError, match=r"u.csv exists; replace .* with --force"):
        cellula("simulate", problem, *to)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--end", "2"),
            "decay.physics.toml declares its time, values and data itself; leave out --end",
        ),
        (("--n-cells", "2"), "leave out --n-cells"),
        (("--engine", "ode"), "is solved by physics_informed"),
        (("--option", "depth=3"), "wrong --option of physics_informed"),
    ],
)
def test_words_without_a_meaning_are_refused(
    problem: str, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        cellula("simulate", problem, *words)


def test_a_network_needs_its_times(tmp_path: Path) -> None:
    (tmp_path / "t.bnet").write_text("A, B\nB, A\n")
    with pytest.raises(CellulaError, match="needs --end TIME and --points N"):
        cellula("simulate", str(tmp_path / "t.bnet"))


@pytest.mark.requirement("K4")
def test_the_weight_of_the_equations_is_swept(problem: str, tmp_path: Path) -> None:
    times = np.linspace(0, 1, 11)
    truth = Truth(times, None, (2 * np.exp(-1.5 * times))[:, None, None])
    solver = PhysicsInformed(PhysicsOptions(widths=(8,), points=40, adam_steps=50, lbfgs_steps=50))
    declared, run = read(Path(problem)), run_context(0, tmp_path)
    low, high = constraint_sweep(solver, declared, (1e-6, 1.0), truth, run)  # type: ignore[arg-type]
    assert low.residual > 10 * high.residual
    assert low.error > high.error
    assert low.data is not None
    with pytest.raises(DataError, match="expected numbers that are not negative"):
        constraint_sweep(solver, declared, (-1.0,), truth, run)  # type: ignore[arg-type]


def test_curves_are_drawn_over_powers_of_ten() -> None:
    curves = {"error": [(0.01, 0.5), (1.0, 0.002)], "data": [(0.01, 1.0), (1.0, 0.0)]}
    svg = log_curves(curves, "sweep", ("weight", "error"), log_across=True)
    assert "error ends at 0.002; data ends at 1." in svg
    assert svg == log_curves(curves, "sweep", ("weight", "error"), log_across=True)
    with pytest.raises(DataError, match="'none' has no positive number"):
        log_curves({"none": [(1.0, -1.0)]}, "", ("", ""))
    with pytest.raises(DataError, match="0 curves; expected 1 to 4"):
        log_curves({}, "", ("", ""))
