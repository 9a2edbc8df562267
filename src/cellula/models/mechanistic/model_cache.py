"""Models that were read and prepared before, kept on the disk by what they were made of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, final

from platformdirs import user_cache_path

from cellula.core import flux
from cellula.core import network as parts
from cellula.core.errors import DataError, EngineError, StorageError
from cellula.core.network import Network
from cellula.io.atomic import write_atomically
from cellula.io.formats import read
from cellula.models.mechanistic.delays import DelayTerm
from cellula.models.mechanistic.elimination import Elimination
from cellula.models.mechanistic.events import EventFormulas
from cellula.models.mechanistic.past import PastFormulas
from cellula.models.mechanistic.prepared import Prepared, prepared
from cellula.models.mechanistic.problem import Problem
from cellula.models.mechanistic.setting import Setting
from cellula.models.mechanistic.stored_values import from_bytes, to_bytes
from cellula.models.mechanistic.system import System, Target
from cellula.models.mechanistic.tape import Tape

if TYPE_CHECKING:
    from cellula.core.reader import Content

__all__ = ["ModelCache", "default_folder"]

#: What an entry may hold; a change of their order is a change of the form.
TYPES = (
    parts.Compartment, parts.Species, parts.Parameter, parts.Participant, parts.Reaction,
    parts.AssignmentRule, parts.RateRule, parts.AlgebraicRule, parts.Event, parts.Constraint,
    parts.Function, parts.Network, flux.FluxBalance, flux.FluxObjective, flux.Gene, flux.GeneRule,
    System, Target, DelayTerm, Problem, Elimination, Tape, EventFormulas, Setting, PastFormulas,
    Prepared,
)  # fmt: skip
#: First bytes of an entry; its SHA-256 and the entry follow.
MAGIC = b"cellula model 1\n"
SUFFIX = ".model"
#: Formats whose network follows from the bytes of one file.
WHOLE = (".xml", ".sbml", ".net")
#: Words with which a file takes in another one: such a model is read anew.
ELSEWHERE = (b"xlink:href", b"externalModelDefinition")
#: What makes networks and equations, as folders of the package.
MAKERS = ("core", "io", "models/mechanistic")


def default_folder() -> Path:
    """The user's cache folder for models."""
    return user_cache_path("cellula") / "models"


@final
@dataclass(frozen=True, slots=True)
class ModelCache:
    """A folder of models that are read and prepared.

    An entry is named by the SHA-256 of the model's bytes, the reader, the version of the package
    and the state of its code. What is damaged, and what cannot be written, is made anew. limit:
    bytes that all entries may take; the ones that were not used for longest go first.
    """

    folder: Path
    limit: int = 500_000_000

    def read(self, path: Path, format: str | None = None) -> tuple[Content, Prepared | None]:
        """What a file holds, and its equations where it holds a network that can be kept.

        Errors are those of reading; a network that has no equations here, as one without rates,
        comes without.
        """
        data = path.read_bytes() if path.is_file() and path.suffix in WHOLE else None
        if data is None or any(word in data for word in ELSEWHERE):
            return read(path, format), None
        place = self.folder / (_name(data, format or path.suffix) + SUFFIX)
        found = _entry(place)
        if found is not None:
            return found.system.network, found
        content = read(path, format)
        if not isinstance(content, Network):
            return content, None
        made = _prepared(content)
        if made is not None:
            self._keep(place, made)
        return content, made

    def _keep(self, place: Path, made: Prepared) -> None:
        content = to_bytes(made, TYPES)
        with suppress(StorageError):
            write_atomically(place, MAGIC + hashlib.sha256(content).digest() + content)
        self._trim(place)

    def _trim(self, latest: Path) -> None:
        """Remove entries, the longest unused first, until all fit; the latest one stays."""
        found = sorted(_sizes(self.folder), reverse=True)
        total = 0
        for _, size, path in found:
            total += size
            if total > self.limit and path != latest:
                with suppress(OSError):
                    path.unlink()


def _prepared(network: Network) -> Prepared | None:
    """The equations; None of a network that has none here: who asks for them is told why."""
    try:
        return prepared(network)
    except (DataError, EngineError):
        return None


def _entry(place: Path) -> Prepared | None:
    """What a file holds; None where there is none or it is not whole."""
    try:
        data = place.read_bytes()
    except OSError:
        return None
    begin = len(MAGIC) + hashlib.sha256().digest_size
    content = data[begin:]
    if data[:begin] != MAGIC + hashlib.sha256(content).digest():
        return None
    try:
        found = from_bytes(content, TYPES)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    with suppress(OSError):
        os.utime(place)
    return found if isinstance(found, Prepared) else None


def _name(data: bytes, format: str) -> str:
    key = f"{format}\n{version('cellula')}\n{_code()}\n".encode()
    return hashlib.sha256(key + data).hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """The state of the code that makes an entry: names, sizes and times of its files."""
    root = Path(__file__).parents[2]
    told = []
    for folder in MAKERS:
        with os.scandir(root / folder) as files:
            every = sorted((one.name, one.stat()) for one in files if one.name.endswith(".py"))
        told += [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in every]
    return "\n".join(told)


def _sizes(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each entry was used last, its bytes and its path."""
    with suppress(OSError):
        for path in folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                stat = path.stat()
                yield stat.st_mtime, stat.st_size, path
