"""Figures are small, equal for equal input, readable by machines and by people."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cellula.report.blocks import Figure
from cellula.report.density import SHADES, Cloud, density_figure, hexagons
from cellula.report.figures import (
    Bar,
    Panel,
    RankPoint,
    ScoreMark,
    bar_figure,
    rank_figure,
    score_figure,
)
from cellula.report.svg import Scale, label, shorten, tag, ticks

MARKS = (
    ScoreMark("selected in training", "ours", 0.59, 0.57, 0.61),
    ScoreMark("mean response", "baseline", 0.0, 0.0, 0.0),
    ScoreMark("control", "baseline", -7.0, -8.0, -6.0),
    ScoreMark("replicate", "ceiling", math.nan, math.nan, math.nan, "none in these data"),
)


def scores() -> Figure:
    return score_figure(MARKS, 0.5, "variance explained", "caption")


def cloud(n: int = 21_379) -> Figure:
    rng = np.random.default_rng(0)
    observed = rng.normal(2, 3, n)
    ours, simple = observed + rng.normal(0, 1, n), observed + rng.normal(0, 2, n)
    clouds = (Cloud("ours", "c1", observed, ours), Cloud("baseline", "c2", observed, simple))
    return density_figure(clouds, values="ln IC50 (µM)", caption="caption")


def ranks() -> Figure:
    points = [RankPoint(f"Drug_{n}", n / 100, 0.1 if n % 2 else math.nan) for n in range(90)]
    names = {"what": "perturbations", "metric": "Spearman", "ours": "ours", "baseline": "simple"}
    return rank_figure(points, **names, caption="caption")


def bars() -> Figure:
    panels = [Panel("Drug 1", (Bar("TP53_mut", 0.81, ".81"), Bar("MDM2", -0.1, "−.10")))] * 3
    return bar_figure(panels, "strongest features", "caption")


FIGURES = pytest.mark.parametrize("figure", [scores, cloud, ranks, bars], ids=lambda f: f.__name__)


@FIGURES
def test_a_figure_is_sound_svg_with_a_text_alternative(figure) -> None:
    made = figure()
    for drawing in (made.wide, made.narrow):
        root = ET.fromstring(drawing)
        assert root.get("role") == "img"
        assert len(root.get("aria-label", "")) > 10
        assert "nan" not in str(drawing)
        assert not re.search(r"(?:fill|stroke)=.#", drawing), "a colour of its own"
    assert float(ET.fromstring(made.narrow).get("width", "0")) <= 330


@FIGURES
def test_equal_input_gives_equal_bytes(figure) -> None:
    assert figure() == figure()


@FIGURES
def test_everything_is_inside_the_drawing(figure) -> None:
    for drawing in (figure().wide, figure().narrow):
        root = ET.fromstring(drawing)
        width, height = float(root.get("width", "0")), float(root.get("height", "0"))
        for name, limit in (("x", width), ("cx", width), ("x2", width), ("y", height)):
            for element in root.iter():
                if element.get(name) is not None and element.tag != "svg":
                    assert -0.1 <= float(element.get(name, "0")) <= limit + 0.1


def test_scores_say_number_interval_baseline_ceiling_and_threshold() -> None:
    made = scores()
    text = " ".join(ET.fromstring(made.wide).itertext())
    for part in (".59 (.57–.61)", "baseline", "ceiling", "required .50"):
        assert part in text
    assert "none in these data" in " ".join(ET.fromstring(made.wide).itertext())
    assert "selected in training .59 (.57–.61)" in made.wide
    assert "l8 -5v10z" in made.wide, "a score far below the frame is an arrow at its edge"


def test_a_cloud_of_the_demo_is_small() -> None:
    made = cloud()
    assert len(made.wide) < 120_000
    assert "points lie outside the frame" in made.caption


def test_hexagons_hold_every_point_once() -> None:
    """Points at one place make one hexagon whose centre is near, of the fullest shade."""
    x, y = np.full(50, 103.0), np.full(50, 57.0)
    ((shade, data),) = hexagons(x, y, 10.0)
    assert shade == len(SHADES) - 1
    assert data.count("M") == 1
    left, top = (float(part) for part in data[1:].partition("l")[0].split())
    assert math.hypot(left - 103, top + 10 / math.sqrt(3) - 57) <= 10 / math.sqrt(3) + 0.1
    assert hexagons(np.empty(0), np.empty(0), 10.0) == []


def test_a_point_goes_to_the_nearest_centre() -> None:
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(0, 200, (200, 2)):
        ((_, data),) = hexagons(np.array([x]), np.array([y]), 10.0)
        left, top = (float(part) for part in data[1:].partition("l")[0].split())
        assert math.hypot(left - x, top + 10 / math.sqrt(3) - y) <= 10 / math.sqrt(3) + 0.1


def test_text_is_escaped() -> None:
    hostile = '<script>alert("x")</script>'
    assert "<script" not in label(0, 0, hostile)
    assert '"><' not in tag("svg", {"aria-label": '"><script>'})
    made = bar_figure([Panel(hostile, (Bar(hostile, 1.0, hostile),))], hostile, hostile)
    assert "<script" not in made.wide


def test_scale_ticks_and_shortening() -> None:
    assert Scale(0, 1, 10, 110)(0.5) == 60
    assert Scale(0, 1, 10, 110)(7) == 110
    assert Scale(2, 2, 10, 110)(2) == 60
    assert ticks(0, 1, 5) == (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert ticks(-6, 11, 4) == (-5, 0, 5, 10)
    assert ticks(3, 3, 5) == (3,)
    assert shorten("a very long name of a feature", 100).endswith("…")
    assert shorten("short", 100) == "short"
