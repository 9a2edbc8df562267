"""Places in model files as SED-ML tells them, XPath, to ids of networks and back."""

from __future__ import annotations

import re

from cellula.core.errors import DataError
from cellula.core.experiment import Target

__all__ = ["TIME_SYMBOLS", "address_of", "target_of"]

#: What stands for the time of the simulation, up to Version 3 and since.
TIME_SYMBOLS = ("urn:sedml:symbol:time", "KISAO:0000832")
ATTRIBUTE = re.compile(r"/@(?:[\w.-]+:)?(?P<name>[\w.-]+)$")
STEP = re.compile(
    r"""/(?:descendant::)?(?:[\w.-]+:)?(?P<tag>[\w.-]+|\*)
    (?:\[\s*@(?:[\w.-]+:)?(?P<key>[\w.-]+)\s*=\s*(?P<quote>['"])(?P<value>[^'"]*)(?P=quote)\s*\])?""",
    re.VERBOSE,
)
#: Elements of SBML whose values are told by their id.
TOLD = {
    "compartment", "species", "parameter", "localParameter", "reaction", "speciesReference",
    "qualitativeSpecies", "*",
}  # fmt: skip


def target_of(address: str) -> Target:
    """The id of the network that an XPath of SBML or CellML leads to.

    A local parameter ``k`` of reaction ``r`` is ``r.k``, a variable of CellML
    ``component.variable``. Raises DataError on an address that does not end at such a place.
    """
    text = address.strip()
    ends = ATTRIBUTE.search(text)
    attribute = ends["name"] if ends else ""
    path = text[: ends.start()] if ends else text
    steps = _steps(path, address)
    named = {step["tag"]: step["value"] for step in steps if step["value"]}
    last = steps[-1]
    if last["tag"] == "variable" and last["key"] == "name" and named.get("component"):
        return Target(f"{named['component']}.{last['value']}", "variable", attribute)
    if last["tag"] not in TOLD or last["key"] != "id" or not last["value"]:
        raise _odd(address)
    if last["tag"] in {"parameter", "localParameter"} and named.get("reaction"):
        return Target(f"{named['reaction']}.{last['value']}", "localParameter", attribute)
    return Target(last["value"], last["tag"].replace("*", ""), attribute)


def address_of(target: Target) -> str:
    """The XPath of a target whose ``kind`` is known. Raises DataError on any other."""
    kind, id, ends = target.kind, target.id, f"/@{target.attribute}" if target.attribute else ""
    if kind == "variable":
        component, _, name = id.partition(".")
        place = f"cellml:component[@name='{component}']/cellml:variable[@name='{name}']"
        return f"/cellml:model/{place}{ends}"
    if kind not in TOLD or kind == "*":
        raise DataError(f"{id!r} is no species, parameter, compartment, reaction or variable")
    model = "/sbml:sbml/sbml:model"
    if kind == "localParameter":
        reaction, _, id = id.partition(".")
        model += f"/sbml:listOfReactions/sbml:reaction[@id='{reaction}']/sbml:kineticLaw"
    plural = kind if kind.lower().endswith("species") else f"{kind}s"
    return f"{model}/sbml:listOf{plural[0].upper()}{plural[1:]}/sbml:{kind}[@id='{id}']{ends}"


def _steps(path: str, address: str) -> list[dict[str, str]]:
    steps, at = [], 0
    path = path.replace("//", "/")
    while at < len(path):
        found = STEP.match(path, at)
        if found is None:
            raise _odd(address)
        steps.append({name: text or "" for name, text in found.groupdict().items()})
        at = found.end()
    if not steps:
        raise _odd(address)
    return steps


def _odd(address: str) -> DataError:
    return DataError(
        f"the target {address!r} leads to no value of a model; expected the XPath of a species, "
        "parameter, compartment or reaction by @id, or of a variable by @name"
    )
