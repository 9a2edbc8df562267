"""What a study cites: the BibTeX of its models, metrics, intervals and data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from cellula.core import registry
from cellula.data.catalogue import source as catalogue
from cellula.report.references import bibliography
from cellula.validation.answers import load_metric
from cellula.validation.competitors import BASELINES
from cellula.validation.intervals import interval_plan
from cellula.validation.scoring import scored_metrics
from cellula.validation.study import Study

__all__ = ["Citation", "bibtex", "citations"]

#: The first line of an entry, around its key.
KEY = re.compile(r"^@\w+\{([^,\s]+),\s*$")
DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>;]+")
SPECIAL = re.compile(r"[\\{}%$&#_^~]")


@dataclass(frozen=True, slots=True)
class Citation:
    """One reference of a study. key: of BibTeX; users: what of the study rests on it."""

    key: str
    users: tuple[str, ...]
    entry: str


def citations(study: Study) -> tuple[Citation, ...]:
    """Every reference of a study once, in the order: models, corrections of batches, metrics,
    intervals, data.

    Counted are the models of the study, the members of its stacks, the baselines that every
    score is anchored to, and all metrics, for every study is scored by all. A citation of data
    is a key of the bibliography, holds the DOI of one of its entries, or becomes a ``@misc`` in
    its own words. Raises PluginError on a model that is not installed.
    """
    users: dict[str, list[str]] = {}
    entries = dict(_entries())
    for key, user in (*_of_plugins(study), *_of_data(study, entries)):
        mine = users.setdefault(key, [])
        if user not in mine:
            mine.append(user)
    return tuple(Citation(key, tuple(mine), entries[key]) for key, mine in users.items())


def bibtex(found: tuple[Citation, ...]) -> str:
    """The entries as one BibTeX file; a comment before each says what rests on it."""
    return "\n".join(f"% {', '.join(one.users)}\n{one.entry}" for one in found)


def _of_plugins(study: Study) -> Iterator[tuple[str, str]]:
    for name in _models(study):
        for key in registry.load("model", name).references:
            yield key, f"model {name}"
    for source in study.data:
        if source.harmonise is not None:
            name = source.harmonise.name
            for key in registry.load("transform", name).references:
                yield key, f"correction of batches {name}"
    for id in sorted({id for claim in study.claim for id in scored_metrics(claim)}):
        for key in load_metric(id).definition.references:
            yield key, f"metric {id.partition('@')[0]}"
    plan = interval_plan(study)
    for key in plan.method.references:
        yield key, "intervals"
    for key in () if plan.abstention is None else plan.abstention.references:
        yield key, "declined questions"


def _models(study: Study) -> list[str]:
    """The kinds of models that are fitted, each once, stacks before their members."""
    kinds: list[str] = []
    for choice in study.model:
        options: Any = registry.create("model", choice.kind, choice.options).options
        wrapped = (options.model,) if hasattr(options, "n_members") else ()
        kinds += [choice.kind, *getattr(options, "members", ()), *wrapped]
    return list(dict.fromkeys([*kinds, *BASELINES]))


def _of_data(study: Study, entries: dict[str, str]) -> Iterator[tuple[str, str]]:
    for source in study.data:
        known = catalogue.source(source.catalogue) if source.catalogue else None
        text = source.citation or (known.citation if known is not None else "")
        if not text:
            continue
        key = _key(text, entries)
        if key is None:
            key = f"data{sum(name.startswith('data') for name in entries) + 1}"
            entries[key] = f"@misc{{{key},\n  note = {{{_plain(text)}}}\n}}\n"
        yield key, f"data {source.name}"


def _key(text: str, entries: Mapping[str, str]) -> str | None:
    """The entry that a citation means: by its key, by its DOI, or by its own words."""
    if text.strip() in entries:
        return text.strip()
    doi = DOI.search(text)
    if doi is not None:
        wanted = doi[0].rstrip(".)").lower()
        found = [key for key, one in bibliography().items() if one.doi.lower() == wanted]
        if found:
            return found[0]
    note = f"note = {{{_plain(text)}}}"
    return next((key for key, entry in entries.items() if note in entry), None)


def _plain(text: str) -> str:
    """A text as BibTeX holds it: what is special to TeX is escaped, braces are dropped."""
    return SPECIAL.sub(lambda found: "" if found[0] in "\\{}" else f"\\{found[0]}", text)


@lru_cache(maxsize=1)
def _entries() -> Mapping[str, str]:
    """Key -> the BibTeX entry as the bibliography that is shipped with cellula holds it."""
    text = files("cellula").joinpath("references.bib").read_text("utf-8")
    parts = [part.strip() for part in re.split(r"^(?=@)", text, flags=re.MULTILINE)]
    found = {KEY.sub(r"\1", part.split("\n")[0]): f"{part}\n" for part in parts}
    return {key: found[key] for key in bibliography()}
