"""The models that an experiment names, read from their files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from cellula.core.errors import DataError
from cellula.core.experiment import Experiment
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.io.formats import read

__all__ = ["experiment_models"]


def experiment_models(
    experiment: Experiment, folder: Path, root: Path | None = None
) -> dict[str, Network | LogicNetwork]:
    """Model -> the network of its file, without the changes that the experiment makes.

    folder: where the experiment lies. root: what no path may leave; None for no bound. A file
    that several models name is read once. Raises DataError, naming the model, on a source that
    is no path, leads out of ``root`` or is not there, and as readers do.
    """
    files: dict[Path, Network | LogicNetwork] = {}
    found: dict[str, Network | LogicNetwork] = {}
    for model in experiment.models:
        first = experiment.lineage(model.id)[0]
        path = _path(first.source, f"model {first.id!r} of {experiment.id}", folder, root)
        if path not in files:
            files[path] = _network(path, f"model {first.id!r} of {experiment.id}")
        found[model.id] = files[path]
    return found


def _path(source: str, where: str, folder: Path, root: Path | None) -> Path:
    if ":" in source or source.startswith(("#", "/", "\\")):
        raise DataError(
            f"{where} is at {source!r}; fetch it, put it beside the experiment and name that file"
        )
    path = (folder / unquote(source)).resolve()
    if root is not None and not path.is_relative_to(root.resolve()):
        raise DataError(f"{where} is at {source!r}, outside of the archive; put it in")
    if not path.is_file():
        raise DataError(f"{where} is in the file {source!r}, which is not there; put it there")
    return path


def _network(path: Path, where: str) -> Network | LogicNetwork:
    found = read(path)
    if not isinstance(found, Network | LogicNetwork):
        raise DataError(f"{where}: {path.name} holds {type(found).__name__}, no mechanistic model")
    return found
