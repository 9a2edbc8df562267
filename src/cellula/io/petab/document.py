"""The YAML of a PEtab problem: which files it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cellula.core.errors import DataError
from cellula.io.text_file import decoded, text_bytes

__all__ = ["PetabFiles", "petab_files"]

#: Levels of lists and mappings that are read.
DEEPEST = 20
PARTS = ("sbml_files", "condition_files", "observable_files", "measurement_files")


@dataclass(frozen=True, slots=True)
class PetabFiles:
    """The files of a problem, as paths."""

    model: Path
    parameters: tuple[Path, ...]
    conditions: tuple[Path, ...]
    observables: tuple[Path, ...]
    measurements: tuple[Path, ...]


def petab_files(path: Path) -> PetabFiles:
    """The files that a YAML names, beside it. Raises DataError, naming it, on what is no PEtab 1.

    Several problems or several models in one file are refused.
    """
    found = _mapping(path)
    version = str(found.get("format_version", "missing"))
    if version.split(".")[0] != "1":
        raise DataError(f"{path.name} has format_version {version}; expected PEtab version 1")
    problems = found.get("problems")
    if not isinstance(problems, list) or len(problems) != 1 or not isinstance(problems[0], dict):
        raise DataError(f"{path.name}: 'problems' is not a list of one problem; split the file")
    parts = {name: _paths(path, problems[0], name) for name in PARTS}
    if len(parts["sbml_files"]) != 1:
        raise DataError(f"{path.name} names {len(parts['sbml_files'])} models; expected one")
    return PetabFiles(
        parts["sbml_files"][0],
        _paths(path, found, "parameter_file"),
        parts["condition_files"],
        parts["observable_files"],
        parts["measurement_files"],
    )


def _mapping(path: Path) -> dict[str, Any]:
    text = decoded(text_bytes(path), path.name)
    try:
        _require_shallow(text, path.name)
        found = yaml.safe_load(text)
    except DataError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        told = " ".join(str(error).split())
        raise DataError(
            f"{path.name} is no YAML, or is cut short: {told}; fetch or repair it"
        ) from error
    if not isinstance(found, dict):
        raise DataError(f"{path.name} is no PEtab problem: expected format_version and problems")
    return found


def _require_shallow(text: str, file: str) -> None:
    """Raise DataError on a YAML that nests deeply, before its loader recurses into it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise DataError(f"{file} nests more than {DEEPEST} levels deep; a problem has four")


def _paths(path: Path, found: dict[str, Any], name: str) -> tuple[Path, ...]:
    given = found.get(name)
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise DataError(f"{path.name}: {name!r} is {given!r}; expected the name of a file or more")
    for one in names:
        if not (path.parent / one).is_file():
            raise DataError(
                f"{path.name}: the file {one!r} of {name!r} is not beside it; put it there"
            )
    return tuple(path.parent / one for one in names)
