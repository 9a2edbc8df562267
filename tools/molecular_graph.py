"""Does the molecular graph tell what an unseen drug does to hepatocytes? Five folds of 65 drugs.

python tools/molecular_graph.py FOLDER

The folds are those of examples/tggates_structures.toml. ``drug_graph`` is fitted with the graph and
without; printed are means over drugs, and the difference of both with its standard error.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.registry import create
from cellula.core.run import RunContext, run_context
from cellula.data.open import open_dataset
from cellula.data.splits import Fraction, split
from cellula.models.baselines.reference import Reference, responses
from cellula.validation.study import read_study

STUDY = Path(__file__).parents[1] / "examples" / "tggates_structures.toml"
OPTIONS: dict[str, dict[str, Any]] = {
    "with graph": {"graph": True},
    "without": {"graph": False},
}
TRAIN = {"epochs": 30, "batch": 256, "patience": 8}


def scores(
    train: Dataset, test: Dataset, options: dict[str, Any], run: RunContext
) -> dict[str, NDArray[np.float64]]:
    """For every unseen drug the mean correlation with its responses, and the error over that of
    the mean response of training.
    """
    (part,) = split(train, ClaimKind.UNSEEN_PERTURBATION, Fraction(fraction=0.2, seed=0))
    seen, valid = train.take(part.train), train.take(np.union1d(part.test, part.control))
    own = {"features": False, "cells": 0, "train": TRAIN, **options}
    fitted = create("model", "drug_graph", own).fit(seen, valid, run)
    reference = Reference.of([train])
    bulk = responses([test], reference)
    told = np.sum(fitted.parts(bulk.queries(), reference, run), axis=0)
    mean = responses([train], reference).effects().mean(axis=0)
    found: dict[str, NDArray[np.float64]] = {}
    drug = bulk.treatments.perturbation[bulk.treatment]
    for code, name in enumerate(bulk.treatments.perturbations):
        rows = np.flatnonzero(drug == code)
        r = [np.corrcoef(told[row], bulk.values[row])[0, 1] for row in rows]
        error = ((told[rows] - bulk.values[rows]) ** 2).sum()
        found[name] = np.array([np.mean(r), error / ((mean - bulk.values[rows]) ** 2).sum()])
    return found


def main() -> None:
    """Print the table."""
    study = read_study(STUDY)
    data = open_dataset(study.data, Path(sys.argv[1]))
    used = {name: data.structures[name] for name in set(data.obs["perturbation"]) - {"control"}}
    data = replace(data, structures=dict(sorted(used.items())), perturbation_features=None)
    (claim,) = study.claim
    found: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in OPTIONS}
    for fold in split(data, claim.kind, claim.hold_out):
        train, test = data.take(fold.train), data.take(np.union1d(fold.test, fold.control))
        for name, options in OPTIONS.items():
            print(f"{fold.name}, {name}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                run = run_context(1, Path(scratch))
                found[name] |= scores(train, test, options, run)
    tables = {name: np.array([own[drug] for drug in sorted(own)]) for name, own in found.items()}
    tables["difference"] = tables["with graph"] - tables["without"]
    for name, table in tables.items():
        error = table.std(axis=0, ddof=1) / len(table) ** 0.5
        print(
            f"{name:12} {len(table)} drugs  correlation {table[:, 0].mean():6.3f} +- {error[0]:.3f}"
            f"  error over that of the mean {table[:, 1].mean():6.3f} +- {error[1]:.3f}"
        )


if __name__ == "__main__":
    main()
