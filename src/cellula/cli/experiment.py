"""``cellula simulate`` of a simulation experiment: SED-ML, alone or in a COMBINE archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellula.cli.experiment_engine import Chosen, chosen, seed_of
from cellula.cli.simulate_request import SimulateRequest, require_free
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellula.core.experiment import Experiment
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network

    Values = Mapping[str, NDArray[np.float64]]
    Networks = Mapping[str, Network | LogicNetwork]

__all__ = ["EXPERIMENTS", "simulate_experiment"]

#: Files that hold an experiment.
EXPERIMENTS = (".sedml", ".omex")
#: Options of ``cellula simulate`` that an experiment leaves open.
OPTIONS = (
    "out", "plot", "engine", "options", "seed", "threads", "force", "as_json",
)  # fmt: skip


def simulate_experiment(asked: SimulateRequest) -> None:
    """Do the tasks, write reports and plots, tell what was done otherwise than asked.

    Raises StudyError on an option that the experiment itself decides.
    """
    asked.only(OPTIONS, f"{asked.model.name} is an experiment, which says that itself")
    with opened(asked.model) as (experiment, networks):
        picked = _picked(asked, experiment)
        files = _free(asked, experiment)
        found = [_values(asked, experiment, networks, one) for one in picked]
    apart = {
        engine: _apart(found[0], other)
        for engine, other in zip(_engines(asked)[1:], found[1:], strict=True)
    }
    written = _write(experiment, found[0], files)
    if asked.as_json:
        print_json(_record(asked, experiment, picked[0], found[0], apart, written))
        return
    _tell(experiment, picked[0], apart, written)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Experiment, Networks]]:
    """The experiment of a file and the models that it names; of an archive, its master."""
    from cellula.core.errors import DataError
    from cellula.core.experiment import Experiment
    from cellula.io.experiment_models import experiment_models
    from cellula.io.formats import read

    found: Any = read(path)
    if path.suffix.lower() == ".omex":
        from cellula.io.omex import unpacked

        with unpacked(found, path.name) as (folder, master):
            inner: Any = read(master)
            if not isinstance(inner, Experiment):
                raise DataError(f"{path.name}: its master {master.name} is no experiment")
            yield inner, experiment_models(inner, master.parent, folder)
        return
    yield found, experiment_models(found, path.absolute().parent)


def _engines(asked: SimulateRequest) -> tuple[str, ...]:
    from cellula.cli.simulate_words import engine_names

    return engine_names(asked.engine) if asked.engine else ()


def _picked(asked: SimulateRequest, experiment: Experiment) -> list[Chosen]:
    from cellula.cli.pairs import typed_pairs

    first = typed_pairs(asked.options, "--option")
    engines: tuple[str | None, ...] = _engines(asked) or (None,)
    return [chosen(experiment, one, first if at == 0 else {}) for at, one in enumerate(engines)]


def _values(
    asked: SimulateRequest, experiment: Experiment, networks: Networks, picked: Chosen
) -> Values:
    from tempfile import TemporaryDirectory

    from cellula.core.run import run_context
    from cellula.models.mechanistic.experiment import experiment_values

    seed = asked.seed if "seed" in asked.given else seed_of(experiment, 0)
    with TemporaryDirectory() as scratch:
        run = run_context(seed, Path(scratch), threads=asked.threads, progress=TerminalProgress())
        return experiment_values(experiment, networks, picked.simulators, run)


def _free(asked: SimulateRequest, experiment: Experiment) -> dict[str, Path]:
    """Report or plot -> the file that it becomes. Raises DataError where one is there."""
    from cellula.io.experiment_tables import reports_of
    from cellula.io.formats import writer_of

    files: dict[str, Path] = {}
    if asked.out is not None:
        writer_of(asked.out)
        reports = reports_of(experiment)
        for one in reports:
            name = asked.out.name
            stem, dot, ends = name.partition(".")
            files[one.id] = (
                asked.out
                if len(reports) == 1
                else asked.out.with_name(f"{stem}_{_plain(one.id)}{dot}{ends}")
            )
    if asked.plot is not None:
        files.update({one.id: asked.plot / f"{_plain(one.id)}.svg" for one in experiment.plots})
    for path in files.values():
        require_free(path, asked.force)
    return files


def _plain(id: str) -> str:
    return "".join(one if one.isalnum() or one in "_-" else "_" for one in id)


def _write(experiment: Experiment, values: Values, files: Mapping[str, Path]) -> list[Path]:
    from cellula.io.atomic import write_atomically
    from cellula.io.experiment_tables import report_table, reports_of
    from cellula.io.formats import write
    from cellula.report.curves import CourseCurve, curves

    tables = {one.id: report_table(one, values) for one in reports_of(experiment)}
    names = {one.id: one.name or one.id for one in experiment.generators}
    drawn = {
        plot.id: curves(
            [
                CourseCurve(c.name or names[c.y], *_alike(values[c.x], values[c.y]))
                for c in plot.curves
            ],
            plot.name or plot.id,
            is_log_x=plot.is_log_x,
            is_log_y=plot.is_log_y,
        )
        for plot in experiment.plots
        if plot.id in files
    }
    for id, path in files.items():
        if id in drawn:
            write_atomically(path, drawn[id].encode())
        else:
            write(tables[id], path)
    return list(files.values())


def _alike(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Any, Any]:
    """Lines of a curve; iterations of one time each are one line of as many points."""
    import numpy as np

    from cellula.core.errors import DataError

    try:
        a, b = np.broadcast_arrays(x, y)
    except ValueError as error:
        raise DataError(f"a curve has {x.shape} over {y.shape} (iterations, times)") from error
    return (a.T, b.T) if a.shape[1] == 1 else (a, b)


def _apart(first: Values, other: Values) -> dict[str, float]:
    """Data generator -> the greatest difference, relative to its greatest value."""
    import numpy as np

    found = {}
    for id, values in first.items():
        gap = np.abs(values - other[id])
        told = gap[np.isfinite(gap)]
        size = np.abs(values[np.isfinite(values)]).max(initial=0.0) or 1.0
        found[id] = float(told.max(initial=0.0) / size)
    return found


def _record(
    asked: SimulateRequest,
    experiment: Experiment,
    picked: Chosen,
    values: Values,
    apart: Mapping[str, Mapping[str, float]],
    written: Sequence[Path],
) -> dict[str, Any]:
    """What ran, with what: for a program."""
    from cellula.core.canonical import hash_array
    from cellula.io.digest import hash_source

    return {
        "experiment": str(asked.model),
        "experiment_sha256": hash_source(asked.model),
        "engines": {
            id: {"name": name, "options": picked.simulators[id].options.model_dump()}
            for id, name in picked.names.items()
        },
        "notes": [*picked.notes, *experiment.left_out],
        "generators": {id: list(one.shape) for id, one in values.items()},
        "values_sha256": {id: hash_array(one) for id, one in values.items()},
        "divergence": apart,
        "written": [str(path) for path in written],
    }


def _tell(
    experiment: Experiment,
    picked: Chosen,
    apart: Mapping[str, Mapping[str, float]],
    written: Sequence[Path],
) -> None:
    counts = (len(experiment.models), len(experiment.tasks), len(experiment.generators))
    say("{}: {} models, {} tasks, {} data generators".format(experiment.id, *counts))
    for note in picked.notes:
        say(f"method   {note}")
    for words in experiment.left_out:
        say(f"left out {words}")
    for other, found in apart.items():
        say(f"{other} differs by, relative to the greatest value:")
        for id, gap in sorted(found.items(), key=lambda one: -one[1])[:10]:
            say(f"  {id:<24} {gap:.2e}")
    for path in written:
        say(f"wrote    {path}")
