"""A COMBINE archive: files of a modelling project, what each is, who made them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cellula.core.errors import DataError

__all__ = ["ArchiveDescription", "ArchiveEntry", "CombineArchive", "Creator"]

ORCID = re.compile(r"https://orcid\.org/\d{4}-\d{4}-\d{4}-\d{3}[\dX]")


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file: where it lies (``models/decay.xml``), the URI of its format, its bytes."""

    location: str
    format: str
    data: bytes = field(repr=False)
    is_master: bool = False


@dataclass(frozen=True, slots=True)
class Creator:
    """Who made it; orcid: ``https://orcid.org/0000-0002-1825-0097``, or ""."""

    name: str
    orcid: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise DataError("a creator of an archive has no name; give one")
        if self.orcid and not (ORCID.fullmatch(self.orcid) and _is_checked(self.orcid)):
            raise DataError(
                f"the ORCID {self.orcid!r} of {self.name} is none; expected "
                "https://orcid.org/0000-0000-0000-0000 whose last digit is right"
            )


@dataclass(frozen=True, slots=True)
class ArchiveDescription:
    """What the archive as a whole is. license: a URI; created: ISO 8601, or ""."""

    title: str = ""
    creators: tuple[Creator, ...] = ()
    license: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class CombineArchive:
    """The files of an archive in the order of its manifest [bergmann2014]_.

    Raises DataError where two files lie at one place, or more than one is the master.
    """

    id: str
    entries: tuple[ArchiveEntry, ...]
    description: ArchiveDescription | None = None

    def __post_init__(self) -> None:
        places = [one.location for one in self.entries]
        twice = sorted({one for one in places if places.count(one) > 1})
        if twice:
            raise DataError(f"archive {self.id!r} has two files {twice[0]!r}; name one otherwise")
        masters = [one.location for one in self.entries if one.is_master]
        if len(masters) > 1:
            raise DataError(f"archive {self.id!r} has the masters {', '.join(masters)}; keep one")

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def master(self) -> ArchiveEntry | None:
        """The file to begin with; None where none is said to be it."""
        return next((one for one in self.entries if one.is_master), None)


def _is_checked(orcid: str) -> bool:
    """Whether the last character is the check digit of ISO 7064 11,2 over the others."""
    digits = orcid.rpartition("/")[2].replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    expected = (12 - total % 11) % 11
    return digits[-1] == ("X" if expected == 10 else str(expected))
