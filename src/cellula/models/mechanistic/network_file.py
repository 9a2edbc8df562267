"""A network kept as the bytes of its file, so that a fitted model needs no file beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

from cellula.core.canonical import hash_bytes
from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.core.memo import Memo
from cellula.core.network import AssignmentRule, Network
from cellula.io.formats import read
from cellula.io.unit_text import UnitFactor, conversion, parsed_unit

__all__ = ["NetworkFile"]


@final
@dataclass(frozen=True, slots=True)
class NetworkFile:
    """name: of the file, whose suffix tells its format; format: a reader, or None for the suffix;
    content: its bytes.
    """

    name: str
    format: str | None
    content: bytes
    _memo: Memo = field(default_factory=Memo, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, path: Path, format: str | None = None, sha256: str | None = None) -> NetworkFile:
        """The file at a path.

        Raises DataError where it is not there, where it is not the file with ``sha256``, and,
        from the reader, where it holds no network.
        """
        if not path.is_file():
            raise DataError(
                f"{path}: no such file of a network; give a path from the folder of the data"
            )
        found = cls(path.name, format, path.read_bytes())
        if sha256 not in {None, found.sha256}:
            raise DataError(
                f"{path.name} has the SHA-256 {found.sha256}; network_sha256 says {sha256}: it is "
                "another file, or was changed"
            )
        return found

    @property
    def sha256(self) -> str:
        """Of the bytes."""
        return hash_bytes(self.content)

    @property
    def network(self) -> Network | LogicNetwork:
        """What the file holds, read once. Raises DataError where that is no network."""
        return self._memo.of(_read, self)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that has a value over time."""
        network = self.network
        if isinstance(network, LogicNetwork):
            return tuple(one.id for one in network.components)
        return network.ids

    def require(self, ids: tuple[str, ...], where: str) -> None:
        """Raise DataError, naming ``where``, on ids that the network lacks."""
        known = set(self.ids)
        missing = [id for id in ids if id not in known]
        if missing:
            few = ", ".join(self.ids[:8])
            raise DataError(
                f"{where} names {', '.join(map(repr, missing))}, which {self.name} lacks; it has "
                f"{len(known)} ids: {few}{' ...' if len(known) > 8 else ''}"
            )

    def require_unit(self, id: str, unit: str) -> None:
        """Raise DataError where the network tells the unit of an id and it is another."""
        told = self._units().get(id, "")
        if unit and told and not _is_same(told, unit):
            raise DataError(
                f"{id!r} is in {told!r} in {self.name}, and its readout says {unit!r}; convert "
                "with scale and say the network's unit"
            )

    def unit_s(self, given: float | None) -> float:
        """The network's unit of time in seconds: as it says, or as given where it does not.

        Raises DataError where neither says it, or where both do and differ.
        """
        network = self.network
        said = network.units.get("time", "") if isinstance(network, Network) else ""
        factors = parsed_unit(said) if said else None
        own = None if factors is None else conversion(factors, (UnitFactor("second"),))
        if own is None and given is None:
            raise DataError(
                f"{self.name} does not say what its time is in{f' ({said!r})' if said else ''}; "
                "give time.unit_s in seconds, such as 3600 for hours"
            )
        if own is not None and given is not None and abs(own - given) > 1e-9 * own:
            raise DataError(
                f"time.unit_s is {given:g} and {self.name} says that its time is in {said!r}, "
                f"{own:g} s; leave time.unit_s out, or repair the file"
            )
        return float(given if own is None and given is not None else own or 0.0)

    def starts(self) -> dict[str, float]:
        """Id -> the number that it starts with; ids whose start follows from others are left out.

        A species whose number and meaning differ (amount and concentration) is left out too.
        """
        network = self.network
        if isinstance(network, LogicNetwork):
            return {}
        told: dict[str, float | None] = {one.id: one.value for one in network.parameters}
        told |= {one.id: one.size for one in network.compartments}
        told |= {
            one.id: one.initial for one in network.species if one.is_amount == one.initial_is_amount
        }
        ruled = {rule.target for rule in network.rules if isinstance(rule, AssignmentRule)}
        return {
            id: value
            for id, value in told.items()
            if value is not None and id not in network.initial and id not in ruled
        }

    def _units(self) -> dict[str, str]:
        network = self.network
        if isinstance(network, LogicNetwork):
            return {}
        told = {one.id: one.unit for one in network.compartments}
        told |= {one.id: one.unit for one in network.species}
        return told | {one.id: one.unit for one in network.parameters}


def _read(file: NetworkFile) -> Network | LogicNetwork:
    with TemporaryDirectory(prefix="cellula-") as folder:
        copy = Path(folder) / file.name
        copy.write_bytes(file.content)
        found = read(copy, file.format)
    if not isinstance(found, Network | LogicNetwork):
        raise DataError(
            f"{file.name} holds {type(found).__name__}, no network; expected SBML, CellML, "
            ".net or .bnet"
        )
    return found


def _is_same(one: str, other: str) -> bool:
    """Whether two texts tell one unit."""
    left, right = parsed_unit(one), parsed_unit(other)
    if left is None or right is None:
        return one == other
    factor = conversion(left, right)
    return factor is not None and abs(factor - 1.0) < 1e-9
