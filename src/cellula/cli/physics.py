"""``cellula simulate heat.physics.toml``: a declared problem by a network and the plain solver."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellula.cli.simulate_request import SimulateRequest, require_free
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from cellula.core.physics import PhysicsProblem
    from cellula.core.run import RunContext
    from cellula.models.hybrid.physics_informed import PhysicsSolution

__all__ = ["simulate_physics"]

#: The engine's name.
ENGINE = "physics_informed"
#: Nodes of the plain solver, and of the table of a problem with a place.
NODES = 101
#: Times, where none are asked for.
POINTS = 51
#: What the command line may say of a problem.
OPTIONS = ("engine", "points", "out", "plot", "options", "format", "seed", "force", "as_json")


def simulate_physics(problem: PhysicsProblem, asked: SimulateRequest) -> None:
    """Train a network on the problem, compare it with the plain solver, and say how far it got."""
    from tempfile import TemporaryDirectory

    import numpy as np

    from cellula.core.run import run_context

    _check(asked)
    with TemporaryDirectory() as scratch:
        run = run_context(asked.seed, Path(scratch), progress=TerminalProgress())
        found = _solved(problem, asked.options, run)
        times = np.linspace(*problem.time, asked.points or POINTS)
        table, apart = _compared(found, times, run)
    written = _written(found, table, asked)
    told = {
        "problem": problem.id,
        "estimates": dict(found.estimates),
        "residual": found.residual,
        "data_error": found.data,
        "relative_difference": apart,
        "loss": asdict(found.convergence[-1]),
        "options": found.options.model_dump(mode="json"),
        "written": [str(path) for path in written],
    }
    if asked.as_json:
        print_json(told)
        return
    say(f"{problem.id}: residual {found.residual:.2e} of a field's scale over the whole time")
    if found.data is not None:
        say(f"data     {found.data:.3g} standard deviations from {len(problem.data)} measurements")
    for id, value in found.estimates.items():
        say(f"unknown  {id} = {value:.6g}")
    for what, gap in apart.items():
        say(f"compared {gap:.2e} from {what}, relative L2")
    for path in written:
        say(f"wrote    {path}")


def _check(asked: SimulateRequest) -> None:
    from cellula.cli.simulate_words import engine_names
    from cellula.core.errors import StudyError

    asked.only(OPTIONS, f"{asked.model.name} declares its time, values and data itself")
    if asked.engine and engine_names(asked.engine) != (ENGINE,):
        raise StudyError(
            f"--engine is {asked.engine!r}; a physical problem is solved by {ENGINE}, and compared "
            "with ode in any case"
        )
    paths = [] if asked.out is None else [asked.out]
    paths += [] if asked.plot is None else [asked.plot / "convergence.svg"]
    for path in paths:
        require_free(path, asked.force)


def _solved(problem: PhysicsProblem, options: list[str], run: RunContext) -> PhysicsSolution:
    from pydantic import ValidationError

    from cellula.cli.pairs import typed_pairs
    from cellula.core.errors import MissingExtra, StudyError

    try:
        from cellula.models.hybrid.physics_informed import PhysicsInformed
    except ImportError as error:
        raise MissingExtra("pip install 'cellula[learned]'") from error
    try:
        made = PhysicsInformed.options_type.model_validate(typed_pairs(options, "--option"))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise StudyError(f"wrong --option of {ENGINE}", lines) from error
    return PhysicsInformed(made).solve(problem, run)


def _compared(
    found: PhysicsSolution, times: NDArray[np.float64], run: RunContext
) -> tuple[pd.DataFrame, dict[str, float]]:
    """The fields as a table, and how far they are from the plain solver and the exact solution."""
    import numpy as np
    import pandas as pd

    from cellula.models.hybrid.constraint_sweep import relative_error
    from cellula.models.hybrid.exact import exact_solution
    from cellula.models.hybrid.method_of_lines import plain_solution

    problem = found.problem
    places = None if problem.place is None else np.linspace(*problem.place, NODES)
    fields = {"": found.field(times, places)}
    if not problem.learned:
        fields["plain"] = plain_solution(problem, found.estimates, times, run, nodes=NODES)
    exact = exact_solution(problem, found.estimates, times, places)
    if exact is not None:
        fields["exact"] = exact
    count = 1 if places is None else len(places)
    columns: dict[str, Any] = {"time": np.repeat(times, count)}
    if places is not None:
        columns["x"] = np.tile(places, len(times))
    for kind, values in fields.items():
        for place, id in enumerate(problem.ids):
            columns[f"{id}_{kind}" if kind else id] = values[:, :, place].ravel()
    words = {"plain": "the plain solver", "exact": "the exact solution"}
    apart = {
        words[kind]: relative_error(fields[""], values) for kind, values in fields.items() if kind
    }
    return pd.DataFrame(columns), apart


def _written(found: PhysicsSolution, table: pd.DataFrame, asked: SimulateRequest) -> list[Path]:
    from cellula.io.atomic import write_atomically
    from cellula.io.formats import write
    from cellula.report.log_curves import log_curves

    written: list[Path] = []
    if asked.out is not None:
        write(table, asked.out)
        written.append(asked.out)
    if asked.plot is not None:
        curves: dict[str, list[tuple[float, float]]] = {}
        for step, record in enumerate(found.convergence):
            for name in ("residual", "data", "initial", "boundary"):
                value = getattr(record, name)
                if value is not None:
                    curves.setdefault(name, []).append((step * 50.0, value))
        path = asked.plot / "convergence.svg"
        title = f"{found.problem.id}: terms of the loss while it is trained"
        write_atomically(path, log_curves(curves, title, ("step", "mean square")).encode())
        written.append(path)
    return written
