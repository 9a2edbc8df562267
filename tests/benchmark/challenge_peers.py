"""The published scorers of the challenges, called on the same cells as ours.

``python -m tests.benchmark.challenge_peers`` archives the cases of ``tests/golden``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

CONTROL = "non-targeting"
NAMES_2026 = {
    "pds_cosine": "pds_cosine",
    "direction_fidelity": "de_wilcoxon_direction_fidelity_yield_raw",
    "direction_reach": "de_wilcoxon_direction_reach_raw",
    "sig_jaccard": "de_wilcoxon_sig_jaccard",
    "lfc_nmae": "de_wilcoxon_lfc_nmae",
}
MSE = "expr_mse_unbiased_capped_norm"
NAMES_2025 = {"mae": "mae", "pds_l1": "discrimination_score_l1", "des": "overlap_at_N"}

Values = dict[str, Any]


def score_2026(real: AnnData, predicted: AnnData) -> Values:
    """Values by metric and perturbation, and of every aggregate."""
    reason = "the bench extra is not installed: pip install 'cellula[bench]'"
    run = pytest.importorskip("cell_eval2.run", reason=reason)
    from cell_eval2.config import EvalConfig

    config = EvalConfig.from_preset("vcc2026")
    config.num_threads = config.gather_threads = 1
    rows = run.compute_metrics(predicted, real, config=config)
    means = run.aggregate_metrics(rows).to_dict(as_series=False)
    means = dict(zip(means["metric"], means["mean"], strict=True))
    found: Values = {"aggregate": {MSE: means[MSE]}}
    for ours, theirs in NAMES_2026.items():
        part = rows.filter(rows["metric"] == theirs)
        found[ours] = dict(zip(part["perturbation"], part["value"], strict=True))
        found["aggregate"][ours] = means[theirs]
    return found


def score_2025(real: AnnData, predicted: AnnData) -> Values:
    """Values by metric and perturbation, and of every aggregate."""
    reason = "the bench extra is not installed: pip install 'cellula[bench]'"
    package = pytest.importorskip("cell_eval", reason=reason)
    with tempfile.TemporaryDirectory() as folder:
        judge = package.MetricsEvaluator(
            predicted.copy(),
            real.copy(),
            control_pert=CONTROL,
            pert_col="target",
            num_threads=1,
            outdir=os.path.join(folder, "out"),
        )
        rows, means = judge.compute(profile="vcc", write_csv=False, break_on_error=True)
    mean = means.filter(means["statistic"] == "mean")
    found: Values = {"aggregate": {ours: mean[theirs][0] for ours, theirs in NAMES_2025.items()}}
    for ours, theirs in NAMES_2025.items():
        found[ours] = dict(zip(rows["perturbation"], rows[theirs], strict=True))
    return found


def plain(found: Any) -> Any:
    """A value that JSON holds: NaN becomes null."""
    if isinstance(found, dict):
        return {str(key): plain(found[key]) for key in sorted(found)}
    return None if np.isnan(found) else float(found)


def archive(folder: Path) -> None:
    """Write the counts of the cases and what the scorers say of them."""
    from tests.golden import challenge_cases as cases

    real, answers = cases.made()
    labels = np.repeat(list(cases.SIZES), list(cases.SIZES.values()))
    folder.mkdir(exist_ok=True)
    small = {name: counts.astype(np.uint16) for name, counts in {"real": real, **answers}.items()}
    np.savez_compressed(folder / "counts.npz", labels=labels, **small)
    truth, submissions = cases.read()
    for name, package, score in (
        ("vcc2026", "cell-eval2", score_2026),
        ("vcc2025", "cell-eval", score_2025),
    ):
        values = {key: plain(score(truth, answer)) for key, answer in submissions.items()}
        text = json.dumps({"scorer": f"{package} {version(package)}", "values": values}, indent=1)
        (folder / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    archive(Path(sys.argv[1]))
