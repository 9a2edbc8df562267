"""Metrics of structure, dose and time on measurements: a replicate beside what knows nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.metrics.curves import DoseAgreement, TimeCourseAgreement
from cellula.evaluation.panel import evaluate
from cellula.evaluation.score import score
from cellula.validation.exploratory import Declared, open_declared

pytestmark = pytest.mark.data


@pytest.mark.requirement("E5")
def test_a_replicate_clusters_as_the_first_and_the_mean_does_not(
    data_dir: Path, run: RunContext
) -> None:
    """48 activations and knock-downs in three lines [norman2019]_, [mcfalinefigueroa2024]_."""
    path = data_dir / "singlecell" / "norman_mcfaline.h5ad"
    roles = {"perturbation": "perturbation", "control": "is_control", "context": "cell_type"}
    real = open_declared(Declared(path, roles, "log1p", {}))
    found = evaluate(real, real, run, metrics=("clustering_ari", "knn_mixing")).summary
    table = found.set_index(["metric", "model"])
    clusters, mixing = table.loc["clustering_ari@1"], table.loc["knn_mixing@1"]
    for trivial in ("mean_response", "control"):
        assert clusters.loc[trivial, "upper"] < 0.1 < 0.5 < clusters.loc["replicate", "lower"]
        assert mixing.loc[trivial, "upper"] < 0.95
    assert mixing.loc["replicate", "value"] == pytest.approx(1.0, abs=0.01)


def hepatocytes(data_dir: Path) -> tuple[Dataset, Dataset]:
    """The two experiments of every treatment of human hepatocytes [igarashi2015]_."""
    roles = {
        "perturbation": "drugid",
        "control": "xptype=control",
        "context": "sex_type",
        "dose_molar": "concentration",
        "time_s": "duration",
        "replicate": "individual_id",
    }
    path = data_dir / "bulk" / "tggates_hepatocytes.h5ad"
    whole = open_declared(Declared(path, roles, "log2", {}, dose_unit="uM", time_unit="h"))
    who = np.asarray(whole.labels("replicate").codes)
    one, two = (whole.take(np.flatnonzero(who == code)) for code in (0, 1))
    return shared(one, two), shared(two, one)


def shared(data: Dataset, other: Dataset) -> Dataset:
    """The controls, and the treatments that the other has too."""
    columns = ["perturbation", "context", "dose_molar", "time_s"]
    own, theirs = (
        pd.MultiIndex.from_frame(part.queries().frame()[columns].astype({"perturbation": str}))
        for part in (data, other)
    )
    return data.take(np.flatnonzero(own.isin(theirs) | data.is_control))


@pytest.mark.requirement("E6", "E15")
def test_a_second_experiment_follows_dose_and_time(data_dir: Path) -> None:
    one, two = hepatocytes(data_dir)

    def beside(predicted: Dataset) -> Comparison:
        answers = as_predictions(predicted.treated)
        return compare(one.treated, answers, controls=one.controls, unit="perturbation")

    second = beside(two)
    dose, time = score(DoseAgreement(), second), score(TimeCourseAgreement(), second)
    assert 0.15 < dose.value < time.value < 0.7
    assert min(dose.n_groups, time.n_groups) > 300
    shuffled = np.random.default_rng(0).permutation(len(second.groups))
    wrong = Comparison(
        groups=second.groups,
        unit=second.unit,
        units=second.units,
        readouts=second.readouts,
        observed=second.observed,
        predicted=second.predicted[shuffled],
    )
    for metric in (DoseAgreement(), TimeCourseAgreement()):
        assert abs(score(metric, wrong).value) < 0.05
