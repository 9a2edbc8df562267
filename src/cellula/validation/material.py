"""What the entry gates are told of the data: quality, cells, batches and sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cellula.core.evidence import Evidence
from cellula.core.run import RunContext, run_context
from cellula.data.cell_report import cell_report
from cellula.data.harmonise.batch_calibration import batch_report
from cellula.data.harmonise.mixing import batch_before_after
from cellula.data.quality import quality_report
from cellula.data.sources_bias import sources_bias
from cellula.kernels.blas_threads import one_blas_thread
from cellula.validation.answers import ClaimTask
from cellula.validation.harmonising import chosen_harmonise, harmonise_card, seen_rows
from cellula.validation.preparation import PreparedStudy

__all__ = ["batch_evidence", "material_evidence"]

#: The numbers of a batch report that stand beside each other before and after.
NUMBERS = ("statistic", "p_value", "variance_explained", "is_shifted")


def material_evidence(prepared: PreparedStudy) -> tuple[Evidence, ...]:
    """Evidence ``quality``, ``batch``, ``sources_bias`` and, of counts, ``cell_quality``.

    The checks of the cells also stand among those of the quality, which its gate reads.
    """
    # One BLAS thread: the order of a sum, so the bytes, never depend on the machine's cores.
    with one_blas_thread(), TemporaryDirectory() as scratch:
        run = run_context(prepared.study.study.seed, Path(scratch))
        return _material(prepared, run)


def _material(prepared: PreparedStudy, run: RunContext) -> tuple[Evidence, ...]:
    data = prepared.data
    quality, cells = quality_report(data), cell_report(data, run.child("cells"))
    more: list[Evidence] = []
    if cells is not None:
        checks = [*quality.payload["checks"], *cells.payload["checks"]]
        quality = replace(
            quality,
            payload={**quality.payload, "checks": checks},
            inputs={**quality.inputs, "cell_quality": cells.hash},
        )
        more.append(cells)
    return (quality, batch_evidence(prepared), *more, sources_bias(data))


def batch_evidence(prepared: PreparedStudy) -> Evidence:
    """Evidence ``batch`` of the data as models get them.

    Without a correction, of all profiles as measured. With one, of what the first fold of every
    claim shows to models, before and after: shift, mixing and biology kept; the numbers on top
    are those of the worst claim, and every claim must hold. One fold stands for all of a claim:
    their training profiles are nearly the same.
    """
    raw = batch_report(prepared.data)
    choice = chosen_harmonise(prepared.study)
    if choice is None:
        return raw
    card = harmonise_card(prepared.study, prepared.tasks)
    told = [_before_after(task) for task in prepared.tasks if task.corrections]
    if not told:
        return replace(raw, payload={**raw.payload, "harmonise": card, "claims": []})
    worst = max(told, key=_badness)
    confounded = {name: raw.payload[name] for name in ("confounding", "is_confounded")}
    payload = {
        **worst["report"],
        **confounded,
        "is_shifted": any(one["after"]["is_shifted"] for one in told),
        "is_mixed": _all_hold(told, "is_mixed"),
        "is_biology_kept": _all_hold(told, "is_biology_kept"),
        "kept_reason": _reasons(told),
        "harmonise": card,
        "claims": [{k: v for k, v in one.items() if k != "report"} for one in told],
    }
    return Evidence("batch", "data", payload, raw.inputs)


def _before_after(task: ClaimTask) -> dict[str, Any]:
    """One claim: batch reports and mixing of what its first fold shows, before and after."""
    fold = task.folds[0]
    before = task.data.take(seen_rows(fold))
    after = task.corrected(fold, before)
    old, new = batch_report(before).payload, batch_report(after).payload
    return {
        "claim": task.claim.id,
        "fold": fold.name,
        "n_folds": len(task.folds),
        "n_profiles": before.n_profiles,
        "before": {name: old[name] for name in NUMBERS},
        "after": {name: new[name] for name in NUMBERS},
        "kept": dict(batch_before_after(before, after).payload),
        "report": dict(new),
    }


def _badness(one: Mapping[str, Any]) -> tuple[bool, bool, bool, float]:
    kept, after = one["kept"], one["after"]
    return (
        bool(after["is_shifted"]),
        kept["is_biology_kept"] is False,
        kept["is_mixed"] is False,
        float(after["variance_explained"] or 0.0),
    )


def _all_hold(told: Sequence[Mapping[str, Any]], name: str) -> bool | None:
    """False where one claim fails, None where none could be judged."""
    found = [one["kept"][name] for one in told if one["kept"][name] is not None]
    return all(found) if found else None


def _reasons(told: Sequence[Mapping[str, Any]]) -> str:
    """Why mixing or biology fails, each reason once; else the first claim's words."""
    bad = [
        one
        for one in told
        if one["kept"]["is_mixed"] is False or one["kept"]["is_biology_kept"] is False
    ]
    return "; ".join(dict.fromkeys(str(one["kept"]["reason"]) for one in bad or told[:1]))
