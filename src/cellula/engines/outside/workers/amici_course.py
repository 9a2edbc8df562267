"""Compiles SBML models with AMICI and solves them for cells; knows nothing of cellula."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]

#: What AMICI puts before an id, such as ``k``, that it uses itself.
RESERVED = "amici_"


def main(question: str, answer: str) -> None:
    """Read what is asked, run it, write what is answered."""
    beside = str(Path(sys.executable).parent)  # swig, cmake and ninja are packages of pip's
    os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", "")])
    import amici
    import amici.sim.sundials  # which compiled models look for

    asked = json.loads(Path(question).read_text())
    loaded: dict[int, Any] = {}
    courses = []
    for cell in asked["cells"]:
        number = cell["model"]
        if number not in loaded:
            loaded[number] = _module(amici, asked["models"][number], Path(asked["folder"]))
        model = loaded[number].get_model()
        model.set_timepoints(asked["times"])
        _set(model, cell["values"])
        courses.append(_course(amici, model, asked))
    observed = [id.removeprefix("y") for id in model.get_observable_ids()]
    ids = [id.removeprefix(RESERVED) for id in observed]
    told = {"version": amici.__version__, "ids": ids, "courses": courses}
    Path(answer).write_text(json.dumps(told))


def _module(amici: Any, text: str, folder: Path) -> Any:
    """The compiled model; what was compiled before, by this version, is taken again."""
    from amici.importers.sbml import SbmlImporter

    digest = hashlib.sha256(f"{amici.__version__} {sys.version} {text}".encode()).hexdigest()
    name = f"m{digest[:16]}"
    place, mark = folder / name, folder / f"{name}.whole"
    if not mark.exists():
        SbmlImporter(text, from_file=False).sbml2amici(
            name,
            str(place),
            compute_conservation_laws=False,
            generate_sensitivity_code=False,
            verbose=logging.WARNING,
        )
        mark.touch()
    return amici.import_model_module(name, str(place))


def _set(model: Any, values: dict[str, float]) -> None:
    """Set parameters, then states; sizes and what starts depend on are in a model of their own."""
    free, fixed = model.get_free_parameter_ids(), model.get_fixed_parameter_ids()
    states = list(model.get_state_ids())
    start = dict(zip(states, model.get_initial_state(), strict=True))
    is_moved = False
    for given, value in values.items():
        known = (*free, *fixed, *states)
        id = given if given in known else f"{RESERVED}{given}"
        if id in free:
            model.set_free_parameter_by_id(id, value)
        elif id in fixed:
            model.set_fixed_parameter_by_id(id, value)
        elif id in states:
            start[id], is_moved = value, True
        else:
            sys.exit(f"AMICI has neither a parameter nor a state {given!r}")
    if is_moved:
        model.set_initial_state([start[id] for id in states])


def _course(amici: Any, model: Any, asked: dict[str, Any]) -> dict[str, Any]:
    solver = model.create_solver()
    solver.set_relative_tolerance(asked["rtol"])
    solver.set_absolute_tolerance(asked["atol"])
    solver.set_max_steps(asked["max_steps"])
    found = model.simulate(solver=solver)
    if found.status != 0:
        name = amici.simulation_status_to_str(found.status)
        return {"status": name, "time": float(found.t_last), "values": []}
    return {"status": "", "time": asked["times"][-1], "values": found.y.T.tolist()}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
