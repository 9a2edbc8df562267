"""The table of scores of a run, for a program: every model by every metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["read_scores"]

#: What a row says beside its claim.
COLUMNS = ("model", "metric", "value", "lower", "upper", "n_groups", "reason")
#: What is kept of the place between baseline and ceiling.
ANCHORED = ("value", "lower", "upper", "b", "r", "baseline", "ceiling", "reason")


def read_scores(bundle: Path) -> list[dict[str, Any]]:
    """One row a claim, model and metric of a bundle, in the order of the evidence.

    Baselines, models, the selected model and the replicate are among the models. ``anchored`` is
    None where a score has no place between baseline and ceiling. Empty where nothing was scored.
    """
    import json

    from cellula.evidence.bundle import read_bundle

    rows: list[dict[str, Any]] = []
    for name, content in sorted(read_bundle(bundle).items()):
        if not name.startswith("evidence/scores-"):
            continue
        evidence = json.loads(content)
        rows += [_row(evidence["subject"], row) for row in evidence["payload"]["rows"]]
    return rows


def _row(claim: str, row: dict[str, Any]) -> dict[str, Any]:
    anchored = row["anchored"]
    place = None if anchored is None else {name: anchored[name] for name in ANCHORED}
    return {"claim": claim, **{name: row[name] for name in COLUMNS}, "anchored": place}
