"""The changelog is what its fragments say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "changelog.py"))


def test_it_is_up_to_date(tool: dict[str, Any]) -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text == tool["changelog"](ROOT / "changes"), "run make changelog"


def test_newest_version_first_and_fragments_by_kind(tool: dict[str, Any], tmp_path: Path) -> None:
    for name in ("0.9.0/a.fixed", "0.10.0/b.added", "unreleased/c.changed", "unreleased/d.added"):
        path = tmp_path / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{path.name}\nsaid.\n", encoding="utf-8")
    lines = tool["changelog"](tmp_path).splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## Unreleased",
        "## 0.10.0",
        "## 0.9.0",
    ]
    assert lines.index("- d.added.md said.") < lines.index("- c.changed.md said.")


@pytest.mark.parametrize(("name", "text"), [("a.new.md", "x"), ("a.md", "x"), ("a.added.md", "")])
def test_a_wrong_fragment_is_refused(
    name: str, text: str, tool: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "unreleased").mkdir()
    (tmp_path / "unreleased" / name).write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"expected <noun>|is empty"):
        tool["changelog"](tmp_path)
