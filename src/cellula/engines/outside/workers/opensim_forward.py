"""Runs a musculoskeletal model forward in OpenSim; knows nothing of cellula."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(question: str, answer: str) -> None:
    """Read what is asked, run it, write what is answered."""
    import opensim

    asked = json.loads(Path(question).read_text())
    opensim.Logger.setLevelString("warn")
    model = opensim.Model(asked["path"])
    for name, excitation in asked["excitations"].items():
        _excite(opensim, model, name, excitation)
    state = model.initSystem()
    coordinates = [model.getCoordinateSet().get(k) for k in range(model.getNumCoordinates())]
    _start(coordinates, state, asked)
    model.equilibrateMuscles(state)
    manager = opensim.Manager(model)
    manager.setIntegratorAccuracy(asked["accuracy"])
    state.setTime(asked["times"][0])
    manager.initialize(state)
    rows = []
    for place, time in enumerate(asked["times"]):
        state = manager.integrate(time) if place else state
        rows.append(_told(model, coordinates, state))
    ids = [one.getName() for one in coordinates]
    muscles = [model.getMuscles().get(k).getName() for k in range(model.getMuscles().getSize())]
    told = {"version": opensim.GetVersion(), "coordinates": ids, "muscles": muscles, "rows": rows}
    Path(answer).write_text(json.dumps(told))


def _excite(opensim: Any, model: Any, name: str, excitation: float) -> None:
    muscles = [model.getMuscles().get(k).getName() for k in range(model.getMuscles().getSize())]
    if name not in muscles:
        sys.exit(f"the model has no muscle {name!r}; it has {', '.join(muscles) or 'none'}")
    controller = opensim.PrescribedController()
    controller.setName(f"excitation_of_{name}")
    controller.addActuator(model.getMuscles().get(name))
    controller.prescribeControlForActuator(name, opensim.Constant(excitation))
    model.addController(controller)


def _start(coordinates: list[Any], state: Any, asked: dict[str, Any]) -> None:
    by_name = {one.getName(): one for one in coordinates}
    for key in ("positions", "speeds"):
        for name, value in asked[key].items():
            if name not in by_name:
                sys.exit(f"the model has no coordinate {name!r}; it has {', '.join(by_name)}")
            if key == "positions":
                by_name[name].setValue(state, value, False)
            else:
                by_name[name].setSpeedValue(state, value)


def _told(model: Any, coordinates: list[Any], state: Any) -> list[float]:
    """Positions, speeds, then length, force and activation a muscle, then the energies."""
    model.realizeDynamics(state)
    row = [one.getValue(state) for one in coordinates]
    row += [one.getSpeedValue(state) for one in coordinates]
    for place in range(model.getMuscles().getSize()):
        muscle = model.getMuscles().get(place)
        row += [muscle.getLength(state), muscle.getActuation(state), muscle.getActivation(state)]
    return [*row, model.calcKineticEnergy(state), model.calcPotentialEnergy(state)]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
