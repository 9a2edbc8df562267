"""A run of ``cellula simulate`` as an experiment: SED-ML, or a COMBINE archive with the model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellula.cli.simulate_request import SimulateRequest, require_free

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellula.core.experiment import Experiment, ExperimentModel, Target
    from cellula.core.network import Network
    from cellula.core.simulation import Simulator

__all__ = ["check_recorded", "record_experiment"]

#: Options of the command that an experiment can say.
SAID = {
    "model", "end", "points", "start", "out", "engine", "options", "format", "threads", "force",
    "as_json", "sedml", "plot", "show", "seed", "batch", "cache", "no_cache",
}  # fmt: skip
#: Ids that SBML may have; a local parameter, ``r.k``, is not among them.
SID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Model -> the language that SED-ML calls it.
LANGUAGES = {"sbml": "urn:sedml:language:sbml", "cellml": "urn:sedml:language:cellml"}


def check_recorded(network: Any, asked: SimulateRequest, path: Path) -> None:
    """Raise StudyError on what an experiment cannot say, DataError where the file is there."""
    from cellula.core.errors import StudyError
    from cellula.core.network import Network

    if path.suffix not in {".sedml", ".omex"}:
        raise StudyError(f"--sedml {path.name} is no .sedml and no .omex; name one")
    asked.only(SAID, "--sedml writes one course of one cell")
    if not isinstance(network, Network):
        raise StudyError("--sedml writes courses of reactions, not of logic; leave it out")
    require_free(path, asked.force)


def record_experiment(
    path: Path,
    model: Path,
    network: Network,
    simulator: Simulator,
    times: NDArray[np.float64],
    seed: int,
) -> None:
    """Write what was run: with ``.omex`` the model goes with it, else it is named by its path.

    Raises DataError where the model's file is neither SBML nor CellML, or the engine has no name
    in KiSAO.
    """
    from cellula.io.formats import write

    if path.suffix == ".sedml":
        import os

        source = Path(os.path.relpath(model.resolve(), path.resolve().parent)).as_posix()
        write(_experiment(path.stem, _named(source, model), network, simulator, times, seed), path)
        return
    from cellula.core.combine_archive import ArchiveEntry, CombineArchive
    from cellula.io.omex import format_uri
    from cellula.io.sedml import sedml_text

    named = _named(model.name, model)
    made = _experiment(path.stem, named, network, simulator, times, seed)
    files = {"experiment.sedml": sedml_text(made).encode(), model.name: model.read_bytes()}
    entries = tuple(
        ArchiveEntry(name, format_uri(name, data), data, name == "experiment.sedml")
        for name, data in files.items()
    )
    write(CombineArchive(path.stem, entries), path)


def _experiment(
    id: str,
    model: ExperimentModel,
    network: Network,
    simulator: Simulator,
    times: NDArray[np.float64],
    seed: int,
) -> Experiment:
    from cellula.core.experiment import (
        DataGenerator,
        DataSet,
        Experiment,
        ReportTable,
        Task,
        UniformTimeCourse,
        Variable,
    )
    from cellula.core.expression import Symbol

    first, last = float(times[0]), float(times[-1])
    course = UniformTimeCourse(
        "course", _algorithm(simulator, seed), first, first, last, len(times) - 1
    )
    seen: dict[str, Target | None] = {"time": None, **_targets(network, model.language)}
    generators = tuple(
        DataGenerator(f"data_{at}", Symbol("v"), {"v": Variable(target, "run")}, name)
        for at, (name, target) in enumerate(seen.items())
    )
    columns = tuple(DataSet(one.name, one.id) for one in generators)
    return Experiment(
        id,
        (model,),
        (course,),
        (Task("run", "model", "course"),),
        generators,
        (ReportTable("report", columns),),
    )


def _named(source: str, model: Path) -> ExperimentModel:
    from cellula.core.errors import DataError
    from cellula.core.experiment import ExperimentModel
    from cellula.io.text_file import text_bytes
    from cellula.io.xml_root import xml_root

    raw = text_bytes(model)
    if not raw.lstrip().startswith(b"<"):
        raise DataError(f"{model.name} is neither SBML nor CellML, which SED-ML is about; convert")
    kind = "sbml" if xml_root(raw, model.name).tag == "sbml" else "cellml"
    return ExperimentModel("model", source, LANGUAGES[kind])


def _targets(network: Network, language: str) -> dict[str, Target]:
    """Every id that its file has too, with the kind of thing that it is there."""
    from cellula.core.experiment import Target

    found = {}
    for kind, parts in (
        ("compartment", network.compartments),
        ("species", network.species),
        ("parameter", network.parameters),
        ("reaction", network.reactions),
    ):
        for one in parts:
            if language == LANGUAGES["cellml"]:
                found[one.id] = Target(one.id, "variable")
            elif SID.fullmatch(one.id):
                found[one.id] = Target(one.id, kind)
    return found


def _algorithm(simulator: Simulator, seed: int) -> Any:
    from cellula.core.experiment import Algorithm
    from cellula.core.kisao import PARAMETERS, SEED, kisao_of

    options = simulator.options.model_dump()
    given = {
        kisao: repr(options[name])
        for kisao, name in PARAMETERS.items()
        if options.get(name) is not None
    }
    is_random = simulator.is_stochastic or options.get("method") == "ssa"
    kisao = "KISAO:0000029" if options.get("method") == "ssa" else kisao_of(simulator.name)
    if options.get("method") == "next_reaction":
        kisao = "KISAO:0000027"
    return Algorithm(kisao, {**given, SEED: str(seed)} if is_random else given)
