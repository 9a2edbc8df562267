"""``cellula simulate --space``: a model on a grid, as a TOML file describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellula.cli.simulate_request import SimulateRequest, require_free
from cellula.cli.simulate_words import id_list
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellula.core.field_course import FieldCourse
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.space import Space
    from cellula.models.mechanistic.reaction_diffusion.options import ReactionDiffusionOptions

__all__ = ["simulate_space"]

#: So many fields are drawn where none are named.
MOST_SHOWN = 4
#: Numbers of a course that is kept whole for its picture.
MOST_KEPT = 2**26
#: What the command line may say beside the grid.
OPTIONS = (
    "space", "start", "end", "points", "out", "plot", "show", "options", "format", "seed",
    "threads", "cache", "no_cache", "force", "as_json",
)  # fmt: skip


def simulate_space(network: Network | LogicNetwork, asked: SimulateRequest) -> None:
    """Simulate a network on a grid, write its fields, draw them, tell what came out."""
    from tempfile import TemporaryDirectory

    import numpy as np

    from cellula.cli.pairs import typed_pairs
    from cellula.core.errors import StudyError
    from cellula.core.run import run_context
    from cellula.core.simulation import reaction_network
    from cellula.io.space_file import read_space
    from cellula.models.mechanistic.reaction_diffusion.simulation import ReactionDiffusion

    asked.only(OPTIONS, "a model in space has a grid in place of cells")
    file = asked.space or Path()
    described = read_space(file)
    end, points = asked.end or described.end, asked.points or described.points
    if end is None or points is None:
        raise StudyError(f"--end and --points are not given, nor by {file.name}")
    given = reaction_network(network, ReactionDiffusion.name)
    ids = _shown(given, described.space, id_list(asked.show))
    options = _options(typed_pairs(asked.options, "--option"))
    times = np.linspace(asked.start, end, points)
    _check_places(asked)
    with TemporaryDirectory() as scratch:
        run = run_context(
            asked.seed, Path(scratch), threads=asked.threads, progress=TerminalProgress()
        )
        fields = ReactionDiffusion(options).fields(given, described.space, times, run, ids)
        course, digest = _kept(fields, (described.space, ids, times), asked)
    pictures = _drawn(course, ids, given.id, asked)
    if asked.as_json:
        print_json(_record(file, course, options.model_dump(), digest, asked, pictures))
        return
    _tell(course, asked, pictures)


def _options(given: Mapping[str, object]) -> ReactionDiffusionOptions:
    from pydantic import ValidationError

    from cellula.core.errors import StudyError
    from cellula.models.mechanistic.reaction_diffusion.options import ReactionDiffusionOptions

    try:
        return ReactionDiffusionOptions.model_validate(given)
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
        ]
        raise StudyError("--option does not fit a simulation in space", mistakes) from error


def _shown(network: Network, space: Space, show: tuple[str, ...]) -> tuple[str, ...]:
    from cellula.core.errors import StudyError

    for id in show:
        if id not in network.ids:
            raise StudyError(f"--show names {id!r}, which network {network.id!r} lacks")
    species = tuple(one.id for one in network.species if not one.is_constant)
    return show or species or tuple(space.initial)


def _check_places(asked: SimulateRequest) -> None:
    places = [asked.out] if asked.out else []
    if asked.plot:
        places.append(asked.plot / "fields.svg")
    for place in places:
        require_free(place, asked.force)


def _kept(
    fields: Iterator[NDArray[np.float64]],
    what: tuple[Space, tuple[str, ...], NDArray[np.float64]],
    asked: SimulateRequest,
) -> tuple[FieldCourse, str]:
    """The course, or its last time where it is larger than is kept; each time goes to the disk."""
    import numpy as np

    from cellula.core.canonical import RowDigest
    from cellula.core.field_course import FieldCourse
    from cellula.io.field_store import field_store

    space, ids, times = what
    shape = (len(ids), *space.grid.cells)
    digest = RowDigest((len(times), *shape))
    is_whole = len(times) * len(ids) * space.grid.n_voxels <= MOST_KEPT
    told = times if is_whole else times[-1:]
    values = np.empty((len(told), *shape))
    with ExitStack() as stack:
        add = None
        if asked.out is not None:
            add = stack.enter_context(field_store(asked.out, space.grid, ids, times))
        for k, found in enumerate(fields):
            digest.add(found[None])
            values[k if is_whole else 0] = found
            if add is not None:
                add(found)
    return FieldCourse(space.grid, ids, told, values), digest.hexdigest()


def _drawn(
    course: FieldCourse, ids: tuple[str, ...], title: str, asked: SimulateRequest
) -> tuple[Path, ...]:
    from cellula.io.atomic import write_together
    from cellula.report.field_picture import field_picture

    if asked.plot is None:
        return ()
    picture = field_picture(course, ids if asked.show else ids[:MOST_SHOWN], title)
    return write_together(asked.plot, {"fields.svg": picture.encode()})


def _record(
    file: Path,
    course: FieldCourse,
    options: dict[str, Any],
    digest: str,
    asked: SimulateRequest,
    pictures: tuple[Path, ...],
) -> dict[str, Any]:
    """What ran, with what: for a program."""
    from cellula.io.digest import hash_source

    return {
        "model": str(asked.model),
        "model_sha256": hash_source(asked.model),
        "space": str(file),
        "space_sha256": hash_source(file),
        "engines": {"reaction_diffusion": {"options": options, "version": _version()}},
        "cells": list(course.grid.cells),
        "ids": list(course.ids),
        "fields": {id: _summary(course, id) for id in course.ids},
        "values_sha256": digest,
        "out": asked.out and str(asked.out),
        "pictures": [str(path) for path in pictures],
    }


def _version() -> str:
    from importlib.metadata import version

    return version("cellula")


def _summary(course: FieldCourse, id: str) -> dict[str, float]:
    last = course.of(id)[-1]
    found = {"least": last.min(), "greatest": last.max(), "total": course.total(id)[-1]}
    return {name: float(value) for name, value in found.items()}


def _tell(course: FieldCourse, asked: SimulateRequest, pictures: tuple[Path, ...]) -> None:
    voxels = " x ".join(str(n) for n in course.grid.cells)
    say(f"reaction_diffusion: {voxels} voxels up to time {course.times[-1]:g}")
    for id in course.ids:
        found = _summary(course, id)
        say(
            f"  {id:<24} {found['least']:.6g} to {found['greatest']:.6g}, "
            f"total {found['total']:.6g}"
        )
    if asked.out is not None:
        say(f"wrote    {asked.out}")
    for path in pictures:
        say(f"wrote    {path}")
