"""Every source that code or docs name is an entry of the one bibliography."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "cellula"
BIB = (SOURCE / "references.bib").read_text(encoding="utf-8")
KEYS = re.findall(r"^@\w+\{(\S+),$", BIB, re.MULTILINE)
CITATION = re.compile(r"\[([a-z-]+\d{4}[a-z]?)\]_")


def named_by_plugins() -> set[str]:
    named: set[str] = set()
    for kind in registry.KINDS:
        for name in registry.names(kind):
            try:
                plugin = registry.load(kind, name)
            except MissingExtra:
                continue
            described = getattr(plugin, "definition", plugin)
            named |= set(getattr(described, "references", ()))
    return named


def test_an_entry_is_complete_and_alone() -> None:
    assert len(KEYS) == len(set(KEYS))
    for entry in re.split(r"^(?=@)", BIB, flags=re.MULTILINE)[1:]:
        for part in ("author", "title", "year", "doi"):
            assert re.search(rf"\b{part} = \{{.+?\}}", entry), f"no {part} in {entry[:40]}"


def test_plugins_name_entries() -> None:
    assert named_by_plugins() - set(KEYS) == set()


@pytest.mark.parametrize("folder", [SOURCE, ROOT / "docs"], ids=["docstrings", "docs"])
def test_texts_name_entries(folder: Path) -> None:
    named: set[str] = set()
    for path in [*folder.rglob("*.py"), *folder.rglob("*.md")]:
        text = path.read_text(encoding="utf-8")
        named |= set(CITATION.findall(text))
        named |= {key for keys in re.findall(r"\{cite\}`([^`]+)`", text) for key in keys.split(",")}
    assert named
    assert named - set(KEYS) == set()
