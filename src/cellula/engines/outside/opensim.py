"""OpenSim [seth2018]_: musculoskeletal models run forward, in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.simulation import Trajectory
from cellula.engines.outside.environment import Environment
from cellula.engines.outside.worker import Question, answered
from cellula.io.xml_root import xml_root

__all__ = ["OPENSIM", "Motion", "forward"]

Floats: TypeAlias = NDArray[np.float64]
OPENSIM = Environment(
    name="opensim",
    what="musculoskeletal models (.osim) run forward",
    package="opensim",
    pins=("opensim==4.6", "numpy==2.4.6"),
    license="Apache-2.0",
)
#: How long one motion may take.
SECONDS = 600.0


@final
@dataclass(frozen=True, slots=True)
class Motion:
    """What is asked of a model: SI units, angles in radians.

    times: (times,) ascending, s. positions, speeds: coordinate -> its value at the start, where
    it is not the model's own. excitations: muscle -> its constant excitation, from 0 to 1.
    accuracy: of the integrator. folder: of the environments, None for the user's.
    """

    times: Floats
    positions: Mapping[str, float] = field(default_factory=dict)
    speeds: Mapping[str, float] = field(default_factory=dict)
    excitations: Mapping[str, float] = field(default_factory=dict)
    accuracy: float = 1e-8
    folder: Path | None = None


def forward(path: Path, motion: Motion) -> Trajectory:
    """The motion of a model: one cell, at the times asked for.

    Ids: every coordinate (m or rad), ``speed of`` each, ``length of`` (m), ``force of`` (N) and
    ``activation of`` each muscle, ``kinetic energy`` and ``potential energy`` (J). Raises
    MissingExtra where OpenSim is not installed, DataError where the file is no model or times do
    not ascend, EngineError, with its words, where OpenSim refuses the model or what is asked.
    """
    _check(path, motion)
    asked: dict[str, Any] = {
        "path": str(path.resolve()),
        "times": [float(time) for time in motion.times],
        "positions": dict(motion.positions),
        "speeds": dict(motion.speeds),
        "excitations": dict(motion.excitations),
        "accuracy": motion.accuracy,
    }
    with TemporaryDirectory(prefix="cellula-") as scratch:
        question = Question("opensim_forward", asked, SECONDS, motion.folder)
        told = answered(OPENSIM, question, Path(scratch))
    ids = [*told["coordinates"], *(f"speed of {one}" for one in told["coordinates"])]
    for muscle in told["muscles"]:
        ids += [f"{what} of {muscle}" for what in ("length", "force", "activation")]
    values = np.array(told["rows"], np.float64)[None, :, :]
    ids += ["kinetic energy", "potential energy"]
    return Trajectory(tuple(ids), np.array(motion.times, np.float64), values)


def _check(path: Path, motion: Motion) -> None:
    times = np.asarray(motion.times)
    if times.ndim != 1 or len(times) < 2 or not (np.diff(times) > 0).all():
        raise DataError(f"times of shape {times.shape} do not ascend; expected two or more, in s")
    for name, value in motion.excitations.items():
        if not 0 <= value <= 1:
            raise DataError(f"the excitation of {name!r} is {value:g}; expected from 0 to 1")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the path") from error
    root = xml_root(raw, path.name)
    if root.tag != "OpenSimDocument":
        raise DataError(f"{path.name} is <{root.tag}>; expected an <OpenSimDocument> (.osim)")
