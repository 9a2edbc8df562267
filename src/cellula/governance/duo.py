"""What consent codes ask of a study: the rules of the Data Use Ontology, term by term.

Source: the definitions of the ontology [lawson2021]_. Permissions widen one another, conditions
all hold. Diseases are compared by their ids; that one disease is a kind of another is not known
here, so name the id of the consent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cellula.data.consent import ConsentCode
from cellula.validation.governance_plan import Use

__all__ = ["EU", "conflicts", "may_reside"]

#: What ``EU`` among the countries of residence stands for.
EU = frozenset(
    (
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE"),
        *("IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"),
    )
)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a code demands of the use: the key that tells it, and when it is met.

    is_met: of the use and the details of all codes of this term (countries, dates).
    """

    key: str
    demand: str
    is_met: Callable[[Use, Sequence[str]], bool]


def _on_or_before(use: Use, dates: Sequence[str]) -> bool:
    return use.date is not None and use.date <= min(dates)


def _after_moratorium(use: Use, dates: Sequence[str]) -> bool:
    return not use.is_published or (use.date is not None and use.date >= max(dates))


def _is_approved(code: str) -> Condition:
    return Condition(
        "approvals",
        f'"{code}" among the approvals: the owner approved this use in writing',
        lambda use, _: code in use.approvals,
    )


#: Condition code -> what it demands.
CONDITIONS: Mapping[str, Condition] = {
    "NPU": Condition("is_not_for_profit", "true", lambda use, _: use.is_not_for_profit),
    "NCU": Condition("is_commercial", "false", lambda use, _: not use.is_commercial),
    "NPUNCU": Condition(
        "is_not_for_profit",
        "true, and is_commercial false",
        lambda use, _: use.is_not_for_profit and not use.is_commercial,
    ),
    "NMDS": Condition(
        "purpose", "another purpose than methods", lambda use, _: use.purpose != "methods"
    ),
    "NPOA": Condition(
        "purpose", "another purpose than ancestry", lambda use, _: use.purpose != "ancestry"
    ),
    "GSO": Condition("is_genetic_study", "true", lambda use, _: use.is_genetic_study),
    "IRB": Condition("has_ethics_approval", "true", lambda use, _: use.has_ethics_approval),
    "PUB": Condition("is_published", "true", lambda use, _: use.is_published),
    "COL": Condition("is_collaboration", "true", lambda use, _: use.is_collaboration),
    "RTN": Condition("returns_results", "true", lambda use, _: use.returns_results),
    "GS": Condition("country", "one of {details}", lambda use, at: may_reside(use.country, at)),
    "TS": Condition("date", "at latest {details}", _on_or_before),
    "MOR": Condition("date", "at earliest {details}, or is_published false", _after_moratorium),
    **{code: _is_approved(code) for code in ("US", "PS", "IS", "RS")},
}
#: Permission -> the purposes that it allows; None: every one.
PURPOSES: Mapping[str, frozenset[str] | None] = {
    "NRES": None,
    "GRU": None,
    "GRU-CC": None,
    "HMB": frozenset({"biomedical", "disease", "methods"}),
    "DS": frozenset({"disease", "methods"}),
    "POA": frozenset({"ancestry"}),
}


def may_reside(country: str, countries: Sequence[str]) -> bool:
    """Whether a country is among others; ``EU`` stands for its member states."""
    return country in countries or ("EU" in countries and country in EU)


def conflicts(codes: Sequence[ConsentCode], use: Use | None) -> list[str]:
    """What in the use goes against the codes of one source, one sentence each; none: it may be.

    use: None when the study is silent about its use; then only data without a condition may be
    used.
    """
    found = _permission_conflict([code for code in codes if code.term.is_permission], use)
    details: dict[str, list[ConsentCode]] = {}
    for code in codes:
        if code.term.shorthand in CONDITIONS:
            details.setdefault(code.term.shorthand, []).append(code)
    found += [text for same in details.values() for text in _condition_conflict(same, use)]
    return found


def _permission_conflict(codes: Sequence[ConsentCode], use: Use | None) -> list[str]:
    """At least one permission must allow the purpose."""
    if not codes:
        return ["conditions without a permission: add NRES, GRU, HMB, DS or POA to duo"]
    if any(PURPOSES[code.term.shorthand] is None for code in codes):
        return []
    told = " or ".join(code.words for code in codes)
    if use is None:
        return [f"{told}, and the study is silent about its use: state governance.use.purpose"]
    diseases = {code.detail for code in codes if code.term.shorthand == "DS"}
    for code in codes:
        purposes = PURPOSES[code.term.shorthand] or frozenset()
        is_specific = code.term.shorthand == "DS"
        fits = not is_specific or (bool(use.disease) and set(use.disease) <= diseases)
        if use.purpose in purposes and fits:
            return []
    about = f" of {', '.join(use.disease)}" if use.disease else ""
    remedy = "; state governance.use.disease" if diseases and not use.disease else ""
    return [f"{told} does not allow governance.use.purpose = {use.purpose!r}{about}{remedy}"]


def _condition_conflict(same: Sequence[ConsentCode], use: Use | None) -> list[str]:
    rule = CONDITIONS[same[0].term.shorthand]
    details = [code.detail for code in same]
    if use is not None and rule.is_met(use, details):
        return []
    demand = rule.demand.format(details=", ".join(details))
    silent = ", and the study is silent about its use" if use is None else ""
    return [f"{same[0].words}{silent}: it needs governance.use.{rule.key}: {demand}"]
