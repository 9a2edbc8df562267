"""Coverage of 90 % intervals over held-out units, per stratum of distance, on real studies.

Every claim is split as its study says; inside each training fold five more folds calibrate, as
``cellula run`` does it. Printed: coverage of all held-out groups and of the thirds of them by
distance to training, the mean width, and what declining the most doubtful fifth does to the error.
The glioblastoma lines of the shared data have 10 perturbations, fewer than the 30 units of which
coverage is asked; Norman's singles and doubles in K562 are told instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.model import Model
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, run_context
from cellula.data.open import open_dataset
from cellula.data.splits import Fold, Folds, Fraction, HoldOut, split
from cellula.evaluation.comparison import compare, concatenate
from cellula.evaluation.question import distinct
from cellula.evaluation.risk_coverage import abstention_gain, group_errors, risk_coverage
from cellula.evaluation.uncertainty.abstention import group_doubt
from cellula.evaluation.uncertainty.question_distance import QuestionDistance
from cellula.validation.study import read_study

pytestmark = [pytest.mark.slow, pytest.mark.data]

EXAMPLES = Path(__file__).parents[2] / "examples"
INNER = 5
#: Every way of calibrating that is compared; those of the spread need a model that has one.
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "distance": {"difficulty": "distance"},
    "estimated": {"difficulty": "estimated"},
    "estimated+mondrian": {"difficulty": "estimated", "strata": 3},
    "mondrian": {"strata": 3},
    "spread": {"difficulty": "spread"},
    "band": {"band": True},
    "band estimated": {"band": True, "difficulty": "estimated"},
}


@dataclass(frozen=True)
class Case:
    """A claim on a study's data by one model."""

    study: str
    kind: ClaimKind
    hold_out: HoldOut
    unit: str
    model: str
    options: dict[str, Any]
    over: str | None = None
    most: int = 0


ENSEMBLE = {"n_members": 5, "share": 0.7}
CASES = {
    "gdsc-pairs": Case(
        "gdsc/study.toml", ClaimKind.UNSEEN_PAIR, Fraction(fraction=0.1, seed=7), "context",
        "row_column_offset", {},
    ),
    "tggates-compounds": Case(
        "tggates_unseen_compound.toml", ClaimKind.UNSEEN_PERTURBATION, Folds(folds=5, seed=7),
        "perturbation", "deep_ensemble", {**ENSEMBLE, "model": "row_column_offset"},
    ),
    "tggates-compounds-mlp": Case(
        "tggates_unseen_compound.toml", ClaimKind.UNSEEN_PERTURBATION, Folds(folds=5, seed=7),
        "perturbation", "mlp_response", {"train": {"epochs": 40}, "passes": 20},
    ),
    "norman-genes": Case(
        "norman_unseen_perturbation.toml", ClaimKind.UNSEEN_PERTURBATION, Folds(folds=5, seed=7),
        "perturbation", "deep_ensemble", {**ENSEMBLE, "model": "bilinear_ridge"},
    ),
}  # fmt: skip


def opened(case: Case, folder: Path) -> Dataset:
    """The data of a study; the catalogue's GDSC files are those of the folder."""
    study = read_study(EXAMPLES / case.study)
    sources = study.data
    if case.study.startswith("gdsc"):
        names = {"IC50_v17.csv.gz": "", "genomic_features_v17.csv.gz": ""}
        for name in names:
            names[name] = str(next((folder / "drug" / "gdsc").rglob(name)))
        sources = tuple(
            one.model_copy(update={"catalogue": None, "path": names[Path(one.path).name]})
            for one in sources
        )
    return open_dataset(sources, folder)


def fits(
    case: Case, data: Dataset, folds: tuple[Fold, ...], run: RunContext
) -> Iterator[tuple[Fold, Any, Dataset, Comparison, np.ndarray]]:
    """Of every fold: the fitted model, its training, the held-out groups and their distances."""
    model: Model = registry.create("model", case.model, case.options)
    for fold in folds:
        train, held = data.take(fold.train), data.take(fold.test)
        stream = run.child(fold.name)
        fitted = model.fit(train, None, stream)
        controls = data.take(fold.control) if len(fold.control) else None
        answers = fitted.predict(distinct(held), controls, stream.child("ask"))
        found = compare(held, answers, controls=None, unit=case.unit)
        light = replace(
            found, observed_cells=None, predicted_cells=None, control_cells=None, control=None
        )
        far = QuestionDistance.of(train).at(QueryTable.from_frame(found.groups))
        yield fold, fitted, train, light, far


def calibrated(
    case: Case, train: Dataset, fitted: Any, run: RunContext
) -> tuple[dict[str, Any], Any]:
    """The model under every way that it allows, and abstaining, calibrated inside its training."""
    folds = split(train, case.kind, Folds(folds=INNER, seed=1), case.over)
    parts = list(fits(case, train, folds, run.child("inner")))
    held = concatenate([part[3] for part in parts])
    of_groups = np.concatenate([part[4] for part in parts])
    distance, found = QuestionDistance.of(train), {}
    for name, options in WAYS.items():
        method = registry.create("uncertainty", "adaptive_conformal", options)
        if options.get("difficulty") != "spread":
            found[name] = method.calibrate_on(fitted, held, case.unit, distance, of_groups)
        elif held.lower is not None:  # the very fit that is asked, on its own held-out part
            found[name] = method.calibrate_on(parts[0][1], parts[0][3], case.unit)
    abstention = registry.create("uncertainty", "abstention", {"by": "estimated"})
    return found, abstention.calibrate_on(fitted, held, distance, of_groups)


@pytest.mark.requirement("E10", "E11", "B1")
@pytest.mark.parametrize("name", CASES)
def test_coverage(name: str, data_dir: Path, tmp_path: Path) -> None:
    case = CASES[name]
    data, run = opened(case, data_dir), run_context(0, tmp_path)
    folds = split(data, case.kind, case.hold_out, case.over)
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    tested: list[Comparison] = []
    doubts: list[tuple[np.ndarray, np.ndarray]] = []
    for fold, fitted, train, found, far in fits(case, data, folds, run):
        ways, abstaining = calibrated(case, train, fitted, run.child(fold.name, "calibration"))
        controls = data.take(fold.control) if len(fold.control) else None
        held = data.take(fold.test)
        for way, one in ways.items():
            answers = one.predict(distinct(held), controls, run.child(fold.name, "ask"))
            new = compare(held, answers, controls=None, unit=case.unit)
            if new.lower is None or new.upper is None:
                print(f"{fold.name} {way}: {one.reason}")
                continue
            inside = (new.lower <= new.observed) & (new.observed <= new.upper)
            covered = inside.all(axis=1) if way.startswith("band") else inside.mean(axis=1)
            rows.setdefault(way, []).append((covered, (new.upper - new.lower).mean(axis=1)))
        tested.append(found)
        order = compare(held, expected_error(abstaining, held, controls, run), controls=None,
                        unit=case.unit)  # fmt: skip
        doubts.append((far, order.predicted[:, 0]))
    report(name, rows, tested, doubts)
    overall = {way: np.concatenate([c for c, _ in parts]).mean() for way, parts in rows.items()}
    assert overall["plain"] >= 0.87


def expected_error(
    abstaining: Any, held: Dataset, controls: Dataset | None, run: RunContext
) -> Iterator[Prediction]:
    """The doubt of every question, carried in the place of the mean."""
    for batch in abstaining.fitted.predict(distinct(held), controls, run.child("doubt")):
        doubt = np.repeat(abstaining.doubt(batch)[:, None], batch.mean.shape[1], axis=1)
        yield replace(batch, mean=doubt, lower=None, upper=None, cells=None)


def report(
    name: str, rows: dict[str, list[Any]], tested: list[Comparison], doubts: list[Any]
) -> None:
    """Print coverage by third of distance, and what abstention gains."""
    far, estimated = (np.concatenate([doubt[i] for doubt in doubts]) for i in (0, 1))
    found = concatenate(tested)
    limits = np.quantile(far, [1 / 3, 2 / 3])
    third = np.searchsorted(limits, far)
    print(f"\n{name}: {len(found.units)} units, {len(far)} groups, limits {limits.round(2)}")
    for way, parts in rows.items():
        if sum(len(part[0]) for part in parts) < len(far):
            continue
        covered, width = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        by = " ".join(
            f"{covered[third == i].mean():.3f}" if (third == i).any() else "  -  " for i in range(3)
        )
        print(f"  {way:16s} covered {covered.mean():.3f}  by third {by}  width {width.mean():.3f}")
    error = group_errors(found)
    kinds = {"distance": far, "estimated": estimated}
    if found.lower is not None:
        kinds["spread"] = group_doubt(found, None)
    for kind, doubt in kinds.items():
        gain = abstention_gain(error, doubt, found.unit, 0.2, np.random.default_rng(0))
        curve = risk_coverage(error, doubt, found.unit)
        print(
            f"  abstain by {kind}: error {gain.whole:.3f} -> {gain.kept:.3f}, "
            f"gain {gain.value:.3f} [{gain.lower:.3f}, {gain.upper:.3f}], "
            f"area excess {curve.excess:.2f} {gain.reason}"
        )
