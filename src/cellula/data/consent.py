"""Consent codes: the Data Use Ontology, and how a study file writes its terms.

Terms, shorthands and meanings follow the ontology [lawson2021]_ (CC BY 4.0). A code is a shorthand
or an id, and where the term asks for one a detail after a colon: ``GRU``, ``DUO:0000042``,
``DS:MONDO:0005015``, ``GS:GB``, ``TS:2027-01-31``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cellula.core.errors import DataError

__all__ = ["TERMS", "ConsentCode", "ConsentTerm", "consent_code"]

DISEASE = r"(MONDO|DOID|EFO|HP|Orphanet|OMIM):\w+"
COUNTRY = r"[A-Z]{2}"
DATE = r"\d{4}-\d{2}-\d{2}"


@dataclass(frozen=True, slots=True)
class ConsentTerm:
    """A term of the ontology.

    is_permission: says for what the data may be used at all; the others add a condition. detail:
    regular expression of what must follow the code, "" where nothing must; example: a code
    written in full.
    """

    id: str
    shorthand: str
    label: str
    is_permission: bool = False
    detail: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class ConsentCode:
    """A term with its detail: a disease, a country or a date, or free words."""

    term: ConsentTerm
    detail: str = ""

    @property
    def words(self) -> str:
        """The code with its meaning: ``HMB (health, medical or biomedical research)``."""
        code = f"{self.term.shorthand}:{self.detail}" if self.detail else self.term.shorthand
        return f"{code} ({self.term.label})"


_ALL = (
    ConsentTerm("DUO:0000004", "NRES", "no restriction", True),
    ConsentTerm("DUO:0000042", "GRU", "general research use", True),
    ConsentTerm("DUO:0000005", "GRU-CC", "general research use and clinical care", True),
    ConsentTerm("DUO:0000006", "HMB", "health, medical or biomedical research", True),
    ConsentTerm(
        "DUO:0000007", "DS", "disease specific research", True, DISEASE, "DS:MONDO:0005015"
    ),
    ConsentTerm("DUO:0000011", "POA", "population origins or ancestry research only", True),
    ConsentTerm("DUO:0000012", "RS", "research specific restrictions"),
    ConsentTerm("DUO:0000015", "NMDS", "no general methods research"),
    ConsentTerm("DUO:0000016", "GSO", "genetic studies only"),
    ConsentTerm("DUO:0000018", "NPUNCU", "not for profit, non-commercial use only"),
    ConsentTerm("DUO:0000019", "PUB", "publication required"),
    ConsentTerm("DUO:0000020", "COL", "collaboration required"),
    ConsentTerm("DUO:0000021", "IRB", "ethics approval required"),
    ConsentTerm("DUO:0000022", "GS", "geographical restriction", False, COUNTRY, "GS:GB"),
    ConsentTerm("DUO:0000024", "MOR", "publication moratorium", False, DATE, "MOR:2027-01-31"),
    ConsentTerm("DUO:0000025", "TS", "time limit on use", False, DATE, "TS:2027-01-31"),
    ConsentTerm("DUO:0000026", "US", "user specific restriction"),
    ConsentTerm("DUO:0000027", "PS", "project specific restriction"),
    ConsentTerm("DUO:0000028", "IS", "institution specific restriction"),
    ConsentTerm("DUO:0000029", "RTN", "return to database or resource"),
    ConsentTerm("DUO:0000043", "CC", "clinical care use"),
    ConsentTerm("DUO:0000044", "NPOA", "population origins or ancestry research prohibited"),
    ConsentTerm("DUO:0000045", "NPU", "not for profit organisation use only"),
    ConsentTerm("DUO:0000046", "NCU", "non-commercial use only"),
)

#: Shorthand -> term.
TERMS: Mapping[str, ConsentTerm] = {term.shorthand: term for term in _ALL}
_BY_ID: Mapping[str, ConsentTerm] = {term.id: term for term in _ALL}
_ID = re.compile(r"DUO[:_](\d{7})(?::(.*))?")


def consent_code(text: str) -> ConsentCode:
    """The code that a study file writes.

    Raises DataError, naming the codes there are, when it is none, or when its detail is missing
    or of another form.
    """
    found = _ID.fullmatch(text)
    if found:
        name, detail = f"DUO:{found[1]}", found[2] or ""
        term = _BY_ID.get(name)
    else:
        name, _, detail = text.partition(":")
        term = TERMS.get(name)
    if term is None:
        raise DataError(
            f"{text!r} is no code of the Data Use Ontology; expected one of {', '.join(TERMS)}, "
            "or its id such as DUO:0000042"
        )
    if term.detail and not re.fullmatch(term.detail, detail):
        raise DataError(f"{text!r}: {term.label} needs its detail, such as {term.example!r}")
    return ConsentCode(term, detail)
