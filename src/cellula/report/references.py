"""The bibliography in words: a key of ``references.bib`` as a reference that a reader can find."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

__all__ = ["Reference", "bibliography", "cited", "read_bibliography"]

ENTRY = re.compile(r"^@\w+\{(?P<key>[^,\s]+),\s*$(?P<body>.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"(?P<name>\w+)\s*=\s*\{(?P<value>(?:[^{}]|\{[^{}]*\})*)\}")
#: Of so many authors or fewer all are named.
ALL_NAMED = 2


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry: family names of the authors as far as the entry lists them, year, where."""

    key: str
    authors: tuple[str, ...]
    year: str
    title: str
    place: str
    volume: str
    doi: str

    @property
    def short(self) -> str:
        """``Iorio et al. 2016``, ``Székely and Rizzo 2013``."""
        if len(self.authors) <= ALL_NAMED:
            return f"{' and '.join(self.authors)} {self.year}"
        return f"{self.authors[0]} et al. {self.year}"

    @property
    def full(self) -> str:
        """Authors, year, title, journal with volume, DOI."""
        where = " ".join(filter(None, (self.place, self.volume)))
        parts = (self.short, self.title, where, f"doi:{self.doi}" if self.doi else "")
        return ". ".join(part.rstrip(".") for part in parts if part)


def read_bibliography(text: str) -> Mapping[str, Reference]:
    """Key -> entry of a BibTeX text whose values stand in braces, one level deep at most."""
    found: dict[str, Reference] = {}
    for entry in ENTRY.finditer(text):
        fields = {
            one["name"].lower(): _plain(one["value"]) for one in FIELD.finditer(entry["body"])
        }
        authors = tuple(_family(name) for name in fields.get("author", "").split(" and ") if name)
        places = ("journal", "booktitle", "publisher", "series", "howpublished", "archiveprefix")
        found[entry["key"]] = Reference(
            key=entry["key"],
            authors=authors,
            year=fields.get("year", ""),
            title=fields.get("title", ""),
            place=next((fields[name] for name in places if name in fields), ""),
            volume=fields.get("volume") or fields.get("number") or fields.get("eprint", ""),
            doi=fields.get("doi", ""),
        )
    return found


def _plain(value: str) -> str:
    return " ".join(value.replace("{", "").replace("}", "").replace("--", "–").split())


def _family(name: str) -> str:
    return name.split(",")[0].strip()


@lru_cache(maxsize=1)
def bibliography() -> Mapping[str, Reference]:
    """The entries that are shipped with cellula."""
    return read_bibliography(files("cellula").joinpath("references.bib").read_text("utf-8"))


def cited(citation: str) -> str:
    """A citation as a reference where it is a key of the bibliography, else as it stands."""
    found = bibliography().get(citation.strip())
    return citation if found is None else found.full
