"""Strata are pooled over the values of a label, and the worst come first."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dossier_example import example_files

from cellula.report.record import read_record

TRUTH = "truth/unseen-pair.parquet"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return example_files(600)


def test_the_worst_come_first_with_their_baseline(files: dict[str, bytes]) -> None:
    record = read_record(files)
    pair = record.agreements["unseen-pair"]
    drugs, lines = record.strata["unseen-pair"]
    assert (drugs.label, lines.label) == ("perturbation", "context")
    values = [row.value for row in drugs.rows]
    assert values == sorted(values, reverse=True)
    assert sum(row.n for row in drugs.rows) == len(pair.observed)
    worst = drugs.rows[0]
    rows = pair.labels["perturbation"] == worst.name
    for predicted, found in ((pair.predicted, worst.value), (pair.baseline, worst.baseline)):
        error = math.sqrt(np.mean((pair.observed - predicted)[rows] ** 2))
        assert found == pytest.approx(error)
    assert drugs.n_compared == len(drugs.rows)
    assert drugs.n_behind == sum(row.value > row.baseline for row in drugs.rows)


def test_without_truth_the_scores_speak(files: dict[str, bytes]) -> None:
    kept = {path: data for path, data in files.items() if path != TRUTH}
    drugs, _ = read_record(kept).strata["unseen-pair"]
    assert drugs.measure == "variance explained"
    assert "no measured values" in drugs.what
    values = [row.value for row in drugs.rows]
    assert values == sorted(values)
    assert all(row.baseline == 0 for row in drugs.rows)


def test_without_either_there_are_none(files: dict[str, bytes]) -> None:
    gone = (TRUTH, "scores/unseen-pair.parquet")
    kept = {path: data for path, data in files.items() if path not in gone}
    assert read_record(kept).strata["unseen-pair"] == ()
