"""Runs SBML models as biomodels of Virtual Cell; knows nothing of cellula."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(question: str, answer: str) -> None:
    """Read what is asked, run it, write what is answered."""
    import pyvcell.vcml as vc

    asked = json.loads(Path(question).read_text())
    vc.set_workspace_dir(Path(answer).parent / "workspace")
    courses = [_course(vc, asked, cell) for cell in asked["cells"]]
    Path(answer).write_text(json.dumps({"version": version("pyvcell"), "courses": courses}))


def _course(vc: Any, asked: dict[str, Any], cell: dict[str, Any]) -> list[Any]:
    """Stretch after stretch: a list of rows a stretch, each a species' values in every element."""
    model = vc.load_sbml_str(asked["sbml"])
    for reaction in model.model.reactions:
        if reaction.kinetics.kinetics_type != "GeneralKinetics":
            sys.exit(f"Virtual Cell takes the rate of {reaction.name!r} for one of molecules")
    start = {one.species_name: one.init_conc for one in model.applications[0].species_mappings}
    start |= asked["initial"]
    parameters: dict[str, float] = {}
    _put(model, start, parameters, cell)
    told = []
    for number, stretch in enumerate(asked["stretches"]):
        for dose in stretch["doses"]:
            _give(model, start, parameters, dose)
        rows = _run(vc, model, start, asked, (f"stretch{number}", stretch))
        told.append(rows)
        if number + 1 < len(asked["stretches"]):
            start |= {name: row[-1][0] for name, row in rows.items()}
    return told


def _put(model: Any, start: dict[str, Any], parameters: dict[str, float], given: Any) -> None:
    for id, value in given.items():
        if id in start:
            start[id] = value
        elif id in model.model.parameter_names:
            parameters[id] = value
            model.model.set_parameter_value(id, value)
        else:
            sys.exit(f"the biomodel has neither a species nor a parameter {id!r}")


def _give(model: Any, start: dict[str, Any], parameters: dict[str, float], dose: Any) -> None:
    id, value = dose["id"], dose["value"]
    now = start.get(id, parameters.get(id, model.model.parameter_values.get(id)))
    after = {"set": lambda: value, "add": lambda: now + value, "scale": lambda: now * value}
    _put(model, start, parameters, {id: after[dose["how"]]()})


def _run(
    vc: Any, model: Any, start: dict[str, Any], asked: dict[str, Any], named: tuple[str, Any]
) -> dict[str, Any]:
    """One run of the finite-volume solver on a slab: species -> (times, elements)."""
    name, stretch = named
    slab = vc.Geometry(
        name=f"slab of {name}", dim=1, extent=(asked["length"], 1.0, 1.0), origin=(0.0, 0.0, 0.0)
    )
    domain = slab.add_background("everywhere")
    application = model.add_application(name, slab)
    for compartment in model.model.compartments:
        application.map_compartment(compartment.name, domain)
    for species, value in start.items():
        application.map_species(
            species, init_conc=value, diff_coef=asked["diffusion"].get(species, 0.0)
        )
    for reaction in model.model.reactions:
        application.map_reaction(reaction.name, True)
    application.add_sim(
        f"run of {name}",
        duration=stretch["duration"],
        output_time_step=stretch["step"],
        mesh_size=(asked["elements"], 1, 1),
    )
    found = vc.simulate(model, f"run of {name}")
    told = {}
    for species in start:
        slices = [found.get_slice(species, place) for place in range(len(found.time_points))]
        told[species] = [[float(value) for value in one.ravel()] for one in slices]
    model.applications.remove(application)
    return told


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
