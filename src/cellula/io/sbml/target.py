"""An SBML file while it is written: its level, the ids and units of its own making."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cellula.core.errors import DataError
from cellula.core.network import Network
from cellula.io.mathml import MathMl
from cellula.io.sbml.names import Names
from cellula.io.unit_text import UnitFactor, parsed_unit
from cellula.io.xml_text import Xml

__all__ = ["SID", "Target", "event_ids", "factors_in", "fitting_ids", "sbml_ids", "target_for"]

#: What an id may be in SBML.
SID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VERSIONS = ((3, 2), (3, 1), (2, 5), (2, 4))
#: Kinds of units that are known to one level only.
LEVEL_3_KINDS, LEVEL_2_KINDS = {"avogadro"}, {"Celsius", "celsius"}


def sbml_ids(network: Network) -> Mapping[str, str]:
    """Id of the network -> its id in SBML text; one that SBML allows stays as it is.

    For engines that are handed :func:`~cellula.io.sbml.sbml_text` and asked by id.
    """
    functions = (one.id for one in network.functions)
    return fitting_ids((*network.ids, *functions))


def event_ids(network: Network) -> tuple[str, ...]:
    """The ids of the model and of its events in SBML text, which may not be other ids as well."""
    taken = set(sbml_ids(network).values())
    found = []
    for id in (network.id, *(event.id for event in network.events)):
        sid = fitting_ids((id,), taken)[id]
        taken.add(sid)
        found.append(sid)
    return tuple(found)


def fitting_ids(ids: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Id -> an id that SBML allows and that is not taken; one that is both stays as it is."""
    wanted, taken = tuple(ids), set(taken)
    fitting = [id for id in wanted if SID.fullmatch(id) and id not in taken]
    names = Names((*taken, *fitting))
    kept = set(fitting)
    return {id: id if id in kept else names.fresh(_fitting(id)) for id in wanted}


def _fitting(id: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_]", "_", id)
    return text if SID.fullmatch(text) else f"_{text}"


@dataclass(frozen=True, slots=True)
class Target:
    """ids: of the network -> in the file. units: text -> id of a unit in the file."""

    level: int
    version: int
    xml: Xml
    ids: Mapping[str, str]
    math: MathMl
    units: dict[str, str] = field(default_factory=dict)

    def id(self, id: str) -> str:
        """The id in the file."""
        return self.ids[id]

    def unit(self, text: str) -> str | None:
        """The id of a unit in the file, by its text; None of no unit."""
        return self.units.get(text)

    def refuse(self, what: str) -> DataError:
        """What this level cannot say."""
        return DataError(
            f"SBML Level {self.level} Version {self.version} cannot say {what}; write a later one"
        )


def target_for(network: Network, level: int, version: int) -> Target:
    """A file for a network; raises DataError on a level and version that are not written."""
    if (level, version) not in VERSIONS:
        written = ", ".join(f"{level}.{version}" for level, version in VERSIONS)
        raise DataError(f"SBML {level}.{version} is not written; expected one of {written}")
    ids = sbml_ids(network)
    is_newest = (level, version) == (3, 2)
    math = MathMl(ids, is_typed=not is_newest, is_older=not is_newest)
    target = Target(level, version, Xml(), ids, math)
    _name_units(target, network)
    return target


def factors_in(target: Target, text: str) -> tuple[UnitFactor, ...]:
    """The factors of a unit where this level knows them all; else none."""
    factors = parsed_unit(text) or ()
    unknown = LEVEL_2_KINDS if target.level == 3 else LEVEL_3_KINDS
    return () if any(one.kind in unknown for one in factors) else factors


def _name_units(target: Target, network: Network) -> None:
    """Every unit gets an id: a kind its own, all others a number; Level 2 has no nameless ones."""
    texts = [*network.units.values()]
    for part in (network.compartments, network.species, network.parameters):
        texts += [one.unit for one in part]
    count = 0
    for text in dict.fromkeys(text for text in texts if text):
        factors = factors_in(target, text)
        if len(factors) == 1 and factors[0] == UnitFactor(factors[0].kind):
            target.units[text] = factors[0].kind
        elif factors or target.level == 3:
            count += 1
            target.units[text] = f"unit_{count}"
