"""Waterfalls and profiles as figures: what they say, and what cannot be drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from cellula.core.errors import DataError
from cellula.report.profile_panels import ProfilePanel, profile_panels
from cellula.report.waterfall import waterfall

PANEL = ProfilePanel(
    "k", "log10", [-1.0, 0.0, 1.0], [2.5, 0.0, 2.2], 1.92, 0.0, -0.9, 0.95, "identifiable: [.1, 9]"
)


def alternative(drawn: str) -> str:
    return ElementTree.fromstring(drawn).attrib["aria-label"]


def test_a_waterfall_tells_how_many_agree() -> None:
    drawn = waterfall([-3.0, -2.95, 10.0, math.inf], "a <problem>", 0.1)
    told = alternative(drawn)
    assert "a <problem>" in told
    assert "4 starts: 2 within 0.1 of the best, 1 without a value" in told
    assert drawn.count("<circle") == 3
    assert "prefers-color-scheme:dark" in drawn
    assert drawn == waterfall([-3.0, -2.95, 10.0, math.inf], "a <problem>", 0.1)
    assert waterfall([5.0], "one", 0.1).count("<circle") == 1
    with pytest.raises(DataError, match="no waterfall"):
        waterfall([math.inf], "none", 0.1)


def test_profiles_show_threshold_and_interval() -> None:
    open_above = replace(PANEL, id="j", scale="", upper=math.inf, words="open above")
    drawn = profile_panels([PANEL, open_above], "p")
    assert "k: identifiable: [.1, 9]; j: open above" in alternative(drawn)
    assert "log10(k)" in drawn
    assert drawn.count("dashed") >= 2
    assert "nan" not in drawn
    assert "inf" not in drawn
    with pytest.raises(DataError, match="none to draw"):
        profile_panels([], "p")
