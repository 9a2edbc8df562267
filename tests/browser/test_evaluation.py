"""The page of an evaluation in a real browser: wide, narrow, light and dark, measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from browser.measured import measure

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from evaluation_example import challenge_page, full_page

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pair")
    return {"full": full_page(folder), "challenge": challenge_page(folder)}


@pytest.mark.requirement("R7", "E5")
@pytest.mark.parametrize("name", ["full", "challenge"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_readable(
    pages: dict[str, str], tmp_path: Path, width: int, scheme: str, name: str
) -> None:
    dark = ("--force-dark-mode",) if scheme == "dark" else ()
    found = measure(pages[name], tmp_path, width, *dark)
    assert found["content"] <= width, "the page scrolls sideways"
    assert found["outside"] == []
    assert found["clashes"] == [], "labels of a figure overlap or leave it"
    assert found["faint"] == [], "text with a contrast below 4.5"
    assert found["smallest"] >= 10.5
    assert found["figures"] == 5
    assert found["wide"] == (5 if width == 1280 else 0)
    assert (found["paper"] < 0.05) == (scheme == "dark")
