"""The page of an evaluation: what the tables say, offline; equal input gives equal bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation_example import evaluated

from cellula.report.evaluation import render_evaluation
from cellula.report.evaluation_lines import Line, concerns, lines_of, verdict
from cellula.validation.evaluating import Evaluated


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    return evaluated(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def page(found: Evaluated) -> str:
    return render_evaluation(found, "cellula evaluate --real real.h5ad")


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.requirement("R7")
def test_it_is_offline_and_without_script(page: str) -> None:
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)
    assert not re.findall(r"url\(", page)


def test_every_section_is_there(page: str) -> None:
    sections = re.findall(r'<section id="([a-z]+)"', page)
    wanted = ["headline", "cautions", "standing", "perturbations", "strata", "genes", "cells"]
    assert sections == [*wanted, "again"]


def test_every_figure_has_a_text_alternative_with_numbers(page: str) -> None:
    told = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert len(told) == 2 * 5  # wide and narrow: scores, ranks, genes, UMAP, t-SNE
    assert all(re.search(r"\d", one) for one in told)


def test_it_says_what_the_tables_say(found: Evaluated, page: str) -> None:
    text = words(page)
    row = found.of_the_model.set_index("metric").loc["pearson_delta@1"]
    assert f"{row['value']:.2f}".removeprefix("0") in text
    assert f"{row['anchored']:.2f}".removeprefix("0") in text
    assert "the prediction has no interval" in text  # why coverage has no value
    assert "T0" in text
    for name in ("weak", "middle", "strong"):
        assert name in text
    for hash in found.setting.inputs.values():
        assert hash in text
    assert "3 perturbations: with fewer than 5 units" in text
    assert "An embedding is a picture and no evidence" in text
    assert "cellula evaluate --real real.h5ad" in text


def test_equal_input_gives_equal_bytes(found: Evaluated, page: str, tmp_path: Path) -> None:
    assert render_evaluation(evaluated(tmp_path), "cellula evaluate --real real.h5ad") == page


def test_without_pictures_it_says_why(found: Evaluated) -> None:
    none = replace(
        found.pictures, effects=(), no_effects="too few", embedding=None, no_embedding="left out"
    )
    text = words(render_evaluation(replace(found, pictures=none), "cellula"))
    assert "No test of genes: too few." in text
    assert "No embedding: left out." in text


def test_names_are_escaped(found: Evaluated) -> None:
    named = found.scores.assign(perturbation="<b>x</b>")
    page = render_evaluation(
        replace(found, tables={**found.tables, "scores": named}), "cellula <i>"
    )
    assert "<b>x</b>" not in page
    assert "cellula <i>" not in page


def test_hundreds_of_perturbations_are_ranked_and_the_extremes_named(found: Evaluated) -> None:
    one = found.scores[found.scores["metric"] == "pearson_delta@1"].iloc[:1]
    many = pd.concat([one] * 200, ignore_index=True).assign(
        perturbation=[f"p{k:03d}" for k in range(200)], value=np.linspace(1.0, -1.0, 200)
    )
    text = words(
        render_evaluation(replace(found, tables={**found.tables, "scores": many}), "cellula")
    )
    assert text.index("p199") < text.index("p000")
    assert "p100" not in text
    assert "The 6 worst and the 6 best" in text


def test_lower_is_better_ranks_the_other_way(found: Evaluated) -> None:
    only = {name: one for name, one in found.definitions.items() if name.startswith("rmse")}
    one = found.scores[found.scores["metric"] == "rmse@1"].iloc[:1]
    many = pd.concat([one] * 3, ignore_index=True).assign(
        perturbation=["good", "poor", "worse"], value=[0.1, 0.5, 0.9]
    )
    part = words(
        render_evaluation(
            replace(found, tables={**found.tables, "scores": many}, definitions=only), "cellula"
        )
    )
    part = part[part.index("Perturbation by perturbation") :]
    assert part.index("worse") < part.index("poor") < part.index("good")


# -- cautions and the one sentence ------------------------------------------------------------
def test_a_caution_stands_beside_the_number_it_concerns(found: Evaluated) -> None:
    told = replace(found, cautions=("rmse is won by shrinking: read it beside pearson_delta",))
    notes = {line.metric: line.note for line in lines_of(told)}
    assert "Rmse is won by shrinking (caution 1)" in notes["rmse@1"]
    assert "won by shrinking" not in notes["two_sample_auroc@1"]
    assert "won by shrinking" in words(render_evaluation(told, "cellula"))


def test_what_can_be_gained_by_knowing_nothing_is_marked_and_told(found: Evaluated) -> None:
    rows = found.tables["summary"]
    told = np.where(rows["metric"] == "pearson_delta@1", "the mean scores 0.52 (at most 1.56)", "")
    for lower, is_marked in ((0.1, True), (-0.1, False)):
        tables = {**found.tables, "summary": rows.assign(caution=told, gain=lower * (told != ""))}
        text = words(render_evaluation(replace(found, tables=tables), "cellula"))
        assert text.count("gain possible") == is_marked
        assert "What an answer that knows nothing may gain: 1 row" in text
        assert "the mean scores 0.52 (at most 1.56)" in text


@pytest.mark.parametrize(
    ("caution", "metric", "context", "is_told"),
    [
        ("pds_l1 and des can be raised", "des@1", "", True),
        ("des answers to the spread", "mae@1", "", False),
        ("with it direction_*, lfc_nmae", "direction_reach@1", "", True),
        ("a: pds_l1 rises", "pds_l1@1", "a", True),
        ("a: pds_l1 rises", "pds_l1@1", "b", False),
    ],
)
def test_which_metric_a_caution_names(
    caution: str, metric: str, context: str, is_told: bool
) -> None:
    assert concerns(caution, metric, context) is is_told


def lines(*anchored: tuple[float, float, float], metric: str = "m@1") -> Sequence[Line]:
    nothing = (np.nan,) * 3
    return [
        Line(metric, "", nothing, "", np.nan, np.nan, one, "", "", False, None, is_alone=True)
        for one in anchored
    ]


def test_the_one_sentence() -> None:
    nan = float("nan")
    better, worse, neither = (0.5, 0.2, 0.8), (-0.5, -0.8, -0.2), (0.1, -0.2, 0.3)
    assert verdict(lines((nan, nan, nan))).startswith("No metric has a place")
    told = verdict(lines(better, better, worse, neither))
    assert "by 2 of the 4 metrics that can tell, worse by 1" in told
    for place, word in ((better, "Better"), (worse, "Worse"), (neither, "Not told apart")):
        both = [*lines(place, metric="overall"), *lines(place)]
        assert verdict(both).startswith(word)


# -- strata -----------------------------------------------------------------------------------
def stratum(by: str, name: str, value: float, n: int = 4) -> dict[str, object]:
    """A row of the table of strata, by one metric."""
    numbers = {"value": value, "lower": value - 0.1, "upper": value + 0.1, "b": 0.2, "r": 0.8}
    anchored = {"anchored": value, "anchored_lower": value - 0.1, "anchored_upper": value + 0.1}
    words = {"reason": "", "anchored_reason": "", "baseline": "control", "ceiling": "replicate"}
    row: dict[str, object] = {"by": by, "stratum": name, "metric": "pearson_delta@1", "n_groups": n}
    return row | numbers | anchored | words


def test_strata_with_intervals_are_shown_where_the_panel_has_them(found: Evaluated) -> None:
    rows = [
        stratum("response", "large", 0.77),
        stratum("response", "small", 0.11),
        stratum("response", "medium", 0.5, n=0),
        stratum("resolvability", "solved", 0.33),
        stratum("resolvability", "open", 0.66) | {"anchored": np.nan, "anchored_reason": "no room"},
    ]
    told = replace(found, tables={**found.tables, "strata": pd.DataFrame(rows)})
    part = words(render_evaluation(told, "cellula"))
    part = part[part.index("Small and large responses") : part.index("Do the same genes")]
    assert part.index(".11 .01–.21") < part.index(".77 .67–.87")  # small before large
    assert "medium" not in part  # without a group
    assert "the ceiling is not better than the baseline beyond noise" in part
    assert "Open: here a model can show what it knows" in part
