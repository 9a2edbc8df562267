"""A bundle as the demo study writes it, made of synthetic numbers, for the tests of the report."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cellula.core.canonical import canonical_json, hash_bytes, hash_json
from cellula.report.crate import crate_metadata

MODELS = ("pair_completion", "ridge", "row_column_offset", "mean_response")
BASELINES = ("row_column_offset", "mean_response")
TISSUES = (
    "lung_NSCLC", "blood", "urogenital_system", "digestive_system", "nervous_system",
    "aero_dig_tract", "skin", "breast", "bone", "kidney",
)  # fmt: skip
METRICS = (
    "variance_explained@1", "rmse@1", "pearson@1", "spearman@1", "spearman_within_perturbation@1",
    "spearman_within_context@1", "coverage@1", "interval_width@1",
)  # fmt: skip

STUDY_TOML = """
[study]
id = "gdsc-01"
title = "Drug response of unmeasured pairs and unseen tissues"
owner = "lab@example.org"
question = "Can drug response be predicted for pairs and for tissues never measured?"
date = "2026-11-02"

[context_of_use]
role = "prioritise experiments"
regulatory = false
influence = "medium"
consequence = "low"
needs_mechanism = false

[boundary]
species = ["human"]
cell_types = ["cancer cell lines"]
perturbations = ["compound"]
level = "cellular"

[[data]]
path = "gdsc"
role = "profiles"
value_type = "ln_ic50"
license = "BSD-3-Clause"

[[claim]]
id = "unseen-pair"
kind = "unseen_pair"
hold_out = 0.1
unit = "context"

[[claim.gate]]
metric = "variance_explained@1"
at_least = 0.5
ci = 0.95
ci_width_max = 0.1
why = "half of what the drug mean leaves open saves a second screen"
on_fail = "structural_prior"

[[claim]]
id = "unseen-tissue"
kind = "unseen_context"
hold_out = "each"
unit = "context"

[[claim.gate]]
metric = "variance_explained@1"
at_least = 0.2
ci = 0.95
ci_width_max = 0.1
why = "below a fifth, one measured plate tells more"
on_fail = "regularization"

[rights]
data_provider = "Genomics of Drug Sensitivity in Cancer"
model_developer = "the lab"
end_user = "the lab"
"""
STUDY: Mapping[str, Any] = tomllib.loads(STUDY_TOML)

#: Per claim: true gain of each model over the drug mean, as a share of its noise.
SKILL = {
    "unseen-pair": {"pair_completion": 0.77, "ridge": 0.62, "row_column_offset": 0.48},
    "unseen-tissue": {"pair_completion": 0.15, "ridge": 0.17, "row_column_offset": 0.0},
}


def parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def example_files(n_pairs: int = 1200, seed: int = 0) -> dict[str, bytes]:
    """The files of a run study, manifest included."""
    rng = np.random.default_rng(seed)
    files: dict[str, bytes] = {
        "study.toml": STUDY_TOML.encode(),
        "study.json": canonical_json(STUDY),
    }
    verdicts = _entry_verdicts()
    for claim in ("unseen-pair", "unseen-tissue"):
        decided = _claim(files, claim, n_pairs, rng)
        verdicts += [decided, _exit(files, claim, decided)]
    _findings(files)
    for claim in SKILL:
        rows = {"fold": ["0"], "part": ["test"], "row": [0], "profile": ["0"]}
        files[f"splits/{claim}.parquet"] = parquet(pd.DataFrame(rows))
    files["data.json"] = canonical_json(_data(rng))
    files["models.json"] = canonical_json([_model(name) for name in MODELS])
    files["verdicts.json"] = canonical_json(verdicts)
    files["registration.json"] = canonical_json(_registration())
    files["ro-crate-metadata.json"] = crate_metadata(files, STUDY)
    files["manifest.json"] = canonical_json(
        {path: hash_bytes(data) for path, data in files.items()}
    )
    return files


def _registration() -> Mapping[str, Any]:
    return {
        "statement": {
            "study_id": "gdsc-01",
            "version": 1,
            "study_hash": hash_json(STUDY),
            "data": {"gdsc": hash_bytes(b"gdsc")},
            "splits": {},
            "sealed": {name: hash_bytes(name.encode()) for name in SKILL},
            "owner": "lab@example.org",
            "key": "c0ffee",
        },
        "public_key": hash_bytes(b"key"),
        "signature": hash_bytes(b"signature"),
    }


def _model(name: str) -> Mapping[str, Any]:
    assumed = {
        "pair_completion": "responses have low rank; genomic features carry over to new lines",
        "ridge": "effects of genomic features are linear and the same for every tissue",
        "row_column_offset": "a line is equally sensitive to all drugs",
        "mean_response": "every line responds like the average",
    }
    return {
        "id": name,
        "plugin": name,
        "options": {"rank": 8} if name == "pair_completion" else {},
        "seeds": [1],
        "references": ["hoerl1970"] if name == "ridge" else [],
        "is_baseline": name in BASELINES,
        "capabilities": {},
        "assumptions": assumed[name],
    }


def _data(rng: np.random.Generator) -> list[Mapping[str, Any]]:
    tissues = sorted(rng.integers(2000, 40000, 10).tolist(), reverse=True)
    drugs = sorted(rng.integers(600, 960, 20).tolist(), reverse=True)
    names = [f"Drug_{1000 + k}" for k in range(20)]
    common = {"license": "BSD-3-Clause", "duo": ["GRU"], "jurisdiction": "GB", "residency": []}
    common |= {"citation": "iorio2016", "n_controls": 0}
    profiles = {"name": "gdsc", "role": "profiles", "value_type": "ln_ic50"}
    profiles |= {"n_profiles": 213790, "n_readouts": 1, "digest": hash_bytes(b"gdsc")}
    profiles |= {"sources": {"IC50_v17.csv.gz": hash_bytes(b"ic50")}}
    roles = [("perturbation", 265), ("context", 988)]
    profiles |= {"roles": [{"role": role, "n_distinct": n} for role, n in roles]}
    lines = sorted(rng.integers(20, 160, 10).tolist(), reverse=True)
    rows = [list(row) for row in zip(TISSUES, lines, tissues, strict=True)]
    profiles |= {
        "labels": [{"label": "TISSUE_FACTOR", "n_distinct": 10, "rows": rows}],
        "spread": {"context": {"least": 10, "median": 224.0, "most": 265}},
        "names": {"perturbation": {"Drug_1003": "AZD0001"}},
        "counts": {
            "context": [[f"LINE-{n:03d}", 265] for n in range(20)],
            "perturbation": [list(pair) for pair in zip(names, drugs, strict=True)],
        },
    }
    features = {"name": "gdsc features", "role": "context_features", "value_type": ""}
    features |= {"n_profiles": 988, "n_readouts": 678, "digest": "", "roles": [], "counts": {}}
    features |= {"sources": {"genomic_features.csv.gz": hash_bytes(b"features")}}
    return [{**common, **profiles}, {**common, **features}]


def _verdict(
    gate: str, slot: str, subject: str, reason: str, is_ok: bool = True, **more: Any
) -> dict[str, Any]:
    head = {"gate": gate, "loop": "inner", "slot": slot, "subject": subject}
    return {**head, "outcome": "passed" if is_ok else "failed", "reason": reason, **more}


def _entry_verdicts() -> list[dict[str, Any]]:
    none = {"number": 0, "threshold": 0}
    pairs, lines = "0 of 21,379 held-out pairs in training", "0 of 988 held-out lines in training"
    reason = "not applicable: the data name no batch"
    return [
        _verdict("consent", "entry", "data", "gdsc: use allowed by GRU", **none),
        _verdict("licence", "entry", "data", "gdsc: BSD-3-Clause", **none),
        _verdict("boundary", "entry", "data", "inside: perturbations", **none),
        _verdict("no_leakage", "entry", "unseen-pair", pairs, **none),
        _verdict("no_leakage", "entry", "unseen-tissue", lines, **none),
        _verdict("quality", "entry", "data", "all 3 checks are in order"),
        _verdict("batch_calibration", "entry", "data", reason),
    ]


def _check(name: str, value: float, limit: float, note: str = "") -> Mapping[str, Any]:
    return {"name": name, "value": value, "limit": limit, "is_ok": value <= limit, "note": note}


def _leak(name: str, count: int, total: int, note: str = "") -> Mapping[str, Any]:
    examples = ["HCC1954", "MCF7"] if count else []
    shared = {"name": name, "count": count, "total": total, "examples": examples}
    return {**shared, "is_leak": False, "note": note}


#: Drug -> its strongest features and how much each moves the prediction.
REASONS: Mapping[str, Mapping[str, float]] = {
    "1047": {"TP53_mut": 0.81, "CDKN2A_mut": -0.22, "gain_cnaPANCAN301": 0.14, "MDM2": -0.11},
    "1036": {"BRAF_mut": -0.74, "NRAS_mut": 0.19, "KRAS_mut": 0.16, "loss_cnaPANCAN36": 0.08},
    "1013": {"BCR_ABL": -0.93, "ABL1": -0.35, "gain_cnaPANCAN91": 0.1, "PTEN_mut": 0.07},
    "1010": {"EGFR_mut": -0.48, "ERBB2_amp": -0.31, "KRAS_mut": 0.27, "SMAD4_mut": 0.05},
}


def _aspect(name: str, declared: list[str], state: str, note: str = "") -> dict[str, Any]:
    row = {"aspect": name, "declared": declared, "state": state, "note": note}
    return {**row, "asked_outside": [], "learnt_outside": []}


CAUTIONS = [
    {
        "kind": "boundary_not_checked",
        "where": "boundary.species",
        "what": "declared as human, but no column of the data tells it",
        "n": 1,
        "action": "add the column, or check by hand that the data lie inside",
    },
    {
        "kind": "one_source",
        "where": "platform",
        "what": "the data tell no second platform, laboratory or batch apart",
        "n": 1,
        "action": "do not carry the claim to another one without data from it",
    },
]


def _entry(files: dict[str, bytes]) -> None:
    """What the gates on consent, licence and boundary read, and the cautions."""
    source = {"name": "gdsc", "duo": ["GRU"], "jurisdiction": "GB", "residency": []}
    _evidence(files, "consent", "data", {"sources": [source], "use": None})
    source = {"name": "gdsc", "license": "BSD-3-Clause", "is_shared": True}
    _evidence(files, "licence", "data", {"sources": [source], "use": None})
    aspects = [
        _aspect("species", ["human"], "not_told", "no column of the data tells it"),
        _aspect("perturbations", ["compound"], "compared"),
        _aspect("dose_molar", [], "not_limited"),
    ]
    _evidence(files, "boundary", "data", {"aspects": aspects})
    _evidence(files, "cautions", "data", {"cautions": CAUTIONS})


def _findings(files: dict[str, bytes]) -> None:
    _entry(files)
    checks = [
        _check("missing_values", 0.183, 0.5, "share of empty pairs"),
        _check("duplicated_profiles", 0, 0),
        _check("constant_readouts", 0, 0),
    ]
    _evidence(files, "quality", "data", {"n_profiles": 213790, "n_readouts": 1, "checks": checks})
    reason = "the data name no batch, so shift between batches cannot be judged"
    _evidence(files, "batch", "data", {"is_applicable": False, "reason": reason, "n_batches": 0})
    for claim in SKILL:
        known = 988 if claim == "unseen-pair" else 0
        note = "known contexts are what the claim is about" if known else ""
        leaks = [_leak("shared_pairs", 0, 21379), _leak("shared_contexts", known, 988, note)]
        _evidence(files, "leakage", claim, {"checks": leaks})
    rows = [
        {
            "perturbation": f"Drug_{drug}",
            "name": f"Drug {drug}",
            "top": [{"feature": name, "value": value} for name, value in features.items()],
            "source": "its known target",
            "expected": [{"feature": next(iter(features)), "rank": 1}],
        }
        for drug, features in REASONS.items()
    ]
    found = {"model": "ridge", "method": "exact_linear", "rows": rows}
    _evidence(files, "attribution", "unseen-pair", found)


def _evidence(files: dict[str, bytes], kind: str, subject: str, payload: Mapping[str, Any]) -> None:
    content = {"kind": kind, "subject": subject, "payload": payload, "inputs": {}}
    files[f"evidence/{kind}-{subject}.json"] = canonical_json(content)


def _claim(
    files: dict[str, bytes], claim: str, n_pairs: int, rng: np.random.Generator
) -> dict[str, Any]:
    """All tables and evidence of one claim, with numbers computed from its own predictions."""
    truth = _truth(claim, n_pairs, rng)
    files[f"truth/{claim}.parquet"] = parquet(truth.drop(columns="drug_mean"))
    centre, seen = truth["drug_mean"].to_numpy(), truth["observed"].to_numpy()
    answers: dict[str, np.ndarray] = {}
    for name in MODELS:
        skill = SKILL[claim].get(name, 0.0)
        blur = rng.normal(0, 1, n_pairs) * (seen - centre).std()
        answers[name] = centre + skill**2 * (seen - centre) + skill * np.sqrt(1 - skill**2) * blur
        path = f"predictions/{claim}/{name}.parquet"
        files[path] = parquet(_predicted(truth, answers[name], rng))
    best = "pair_completion" if claim == "unseen-pair" else "ridge"
    answers["selected"] = answers[best]
    total = ((seen - centre) ** 2).sum()
    gains = {name: float(1 - ((seen - p) ** 2).sum() / total) for name, p in answers.items()}
    half = 0.02 if claim == "unseen-pair" else 0.024
    rows = [_score(name, metric, gains[name], half, rng) for name in answers for metric in METRICS]
    units = {"unit": "context", "n_units": 988, "n_groups": n_pairs, "level": 0.95}
    _evidence(files, "scores", claim, {**units, "rows": rows})
    gain, metric = gains["selected"], METRICS[0]
    anchored = {"metric": metric, "space": "readouts", "model": "selected", "u": gain}
    anchored |= {"value": gain, "lower": gain - half, "upper": gain + half, "b": 0.0, "r": 1.0}
    anchored |= {"baseline": "mean_response", "ceiling": "ideal", "n_unresolvable": 0}
    anchored |= {"reason": "the data hold no replicate, so 1 is the ideal value"}
    _evidence(files, "anchored_score", claim, {**units, **anchored})
    shown = {name: gains[name] for name in MODELS}
    folds = [{"fold": str(k), "scores": shown, "selected": best} for k in range(5)]
    _evidence(files, "selection", claim, {"metric": metric, "folds": folds})
    domain = {"n": n_pairs, "n_in_domain": int(0.97 * n_pairs), "metric": metric}
    _evidence(files, "domain", claim, {**domain, "score_in": gain, "score_out": gain / 2})
    files[f"scores/{claim}.parquet"] = parquet(_strata(truth, answers))
    return _decision(claim, gain, half)


def _decision(claim: str, gain: float, half: float) -> dict[str, Any]:
    wanted = 0.5 if claim == "unseen-pair" else 0.2
    is_ok = gain - half >= wanted
    word = "reaches" if is_ok else "lies below"
    reason = f"the lower bound {gain - half:.2f} {word} {wanted:.2f}; width {2 * half:.2f}"
    numbers = {"number": gain, "lower": gain - half, "upper": gain + half, "threshold": wanted}
    feedback = None if is_ok else "regularization"
    return _verdict(
        "anchored_score",
        "decision",
        claim,
        reason,
        is_ok,
        **numbers,
        feedback=feedback,
        about=METRICS[0],
    )


def _exit(files: dict[str, bytes], claim: str, decided: Mapping[str, Any]) -> dict[str, Any]:
    row = {"metric": METRICS[0], "space": "readouts", "model": "selected"}
    row |= {"over": "resamples", "n": 1000, "sd": 0.0104}
    _evidence(files, "stability", claim, {"rows": [row]})
    is_ok = decided["outcome"] == "passed"
    reason = "largest sd .01 ≤ .10, over 1,000 resamples"
    reason = reason if is_ok else f"not decided for: variance explained failed; {reason}"
    numbers = {"number": 0.0104, "threshold": 0.1, "about": f"sd of {METRICS[0]}"}
    feedback = decided["feedback"]
    return _verdict("stability", "exit", claim, reason, is_ok, **numbers, feedback=feedback)


def _truth(claim: str, n_pairs: int, rng: np.random.Generator) -> pd.DataFrame:
    n_drugs = min(265, max(12, n_pairs // 12))
    drugs = np.arange(n_pairs) % n_drugs
    lines = (np.arange(n_pairs) // n_drugs) * 7 % 988
    means = rng.normal(2.3, 2.4, n_drugs)
    observed = means[drugs] + rng.normal(0, 1.35, n_pairs)
    return pd.DataFrame(
        {
            "fold": (np.arange(n_pairs) % 5).astype(str),
            "perturbation": [f"Drug_{1000 + d}" for d in drugs],
            "context": [f"LINE-{n:03d}" for n in lines]
            if claim == "unseen-pair"
            else [TISSUES[n % 10] + f" {n:03d}" for n in lines],
            "unit": lines.astype(str),
            "readout": "ln_ic50",
            "observed": observed,
            "drug_mean": means[drugs],
        }
    )


def _predicted(truth: pd.DataFrame, mean: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    half = 1.645 * float(np.std(truth["observed"] - mean))
    kept = truth.drop(columns=["observed", "drug_mean"])
    return kept.assign(
        mean=mean, lower=mean - half, upper=mean + half, in_domain=rng.random(len(mean)) < 0.97
    )


#: Metric -> its value for the baseline and for a perfect answer; 0 and 1 where not named.
SCALES = {"rmse@1": (1.35, 0.0), "interval_width@1": (4.4, 0.0)}


def _score(
    model: str, metric: str, gain: float, half: float, rng: np.random.Generator
) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "metric": metric, "reason": "", "anchored": None}
    if metric.startswith("spearman_within_perturbation") and model == "mean_response":
        reason = "constant within every drug"
        return {**row, "value": None, "lower": None, "upper": None, "reason": reason}
    if metric == "coverage@1":
        value = 0.9 + 0.006 * rng.standard_normal()
        return {**row, "value": value, "lower": value - 0.01, "upper": value + 0.01}
    base, ideal = SCALES.get(metric, (0.0, 1.0))
    value = base + gain * (ideal - base)
    anchored = {"value": gain, "lower": gain - half, "upper": gain + half, "b": base, "r": ideal}
    anchored |= {"baseline": "mean_response", "ceiling": "ideal", "reason": ""}
    numbers = {"value": value, "lower": value - half, "upper": value + half}
    return {**row, **numbers, "anchored": anchored}


STRATA = ("model", "metric", "perturbation", "context", "value", "reason", "n_groups")


def _strata(truth: pd.DataFrame, answers: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Rows of model, metric, perturbation and context; here every row is one pair."""
    seen, centre = truth["observed"].to_numpy(), truth["drug_mean"].to_numpy()
    parts = []
    for model in ("selected", "mean_response"):
        value = 1 - (seen - answers[model]) ** 2 / (seen - centre) ** 2
        part = truth[["perturbation", "context"]].assign(model=model, metric=METRICS[0])
        parts.append(part.assign(value=value, reason="", n_groups=1))
    return pd.concat(parts)[list(STRATA)]


#: Model -> parameters and seconds a fit.
COSTS = {
    "pair_completion": (92160, 6.1),
    "ridge": (180000, 2.4),
    "row_column_offset": (1253, 0.1),
    "mean_response": (265, 0.02),
}


def example_ledger() -> list[dict[str, Any]]:
    """What the demo's ledger exports: registered, opened once a claim, fitted, decided."""
    of_study = {"study_hash": hash_json(STUDY)}
    events: list[tuple[str, str, dict[str, Any]]] = [
        ("registered", "gdsc-01", of_study),
        ("run_started", "gdsc-01", of_study),
    ]
    for claim in SKILL:
        for fold in range(5):
            for model, (n_parameters, seconds) in COSTS.items():
                fit = {"model": model, "claim": claim, "fold": fold, "seconds": seconds}
                fit |= {"n_parameters": n_parameters, "peak_bytes": 210_000_000}
                events.append(("fitted", claim, fit | of_study))
    events += [("labels_opened", claim, of_study) for claim in SKILL]
    events += [("decided", "unseen-pair", {"outcome": "passed"})]
    events += [("decided", "unseen-tissue", {"outcome": "failed"})]
    events.append(("run_finished", "gdsc-01", of_study))
    fields = ("seq", "time", "kind", "subject", "payload")
    return [
        dict(zip(fields, (n, f"2026-11-02T09:00:{n:02d}+00:00", *event), strict=True))
        for n, event in enumerate(events, start=1)
    ]


def corrected_batches(**kept: Any) -> dict[str, Any]:
    """Evidence of a correction of batches, before and after; ``kept`` changes what it kept."""
    state = {"mixing": 0.2, "biology": {"context": {"silhouette": 0.5, "ari": 0.9}}}
    after = {"mixing": 0.97, "biology": {"context": {"silhouette": 0.48, "ari": 0.9}}}
    numbers = {"statistic": 9.0, "p_value": 0.002, "variance_explained": 0.3, "is_shifted": True}
    return {
        "harmonise": {
            "name": "combat",
            "options": {"max_confounding": 0.5},
            "references": ["johnson2007"],
            "fitted_on": "training profiles",
        },
        "claims": [
            {
                "claim": "unseen",
                "fold": "fold-1",
                "n_folds": 3,
                "n_profiles": 120,
                "before": numbers,
                "after": {**numbers, "p_value": None, "variance_explained": 0.0},
                "kept": {
                    "before": state,
                    "after": after,
                    "is_mixed": True,
                    "is_biology_kept": True,
                    "reason": "",
                    "min_mixing": 0.8,
                    "max_loss": 0.1,
                    "neighbours_kept": 0.9,
                }
                | kept,
            }
        ],
    }


def example_versions() -> list[dict[str, Any]]:
    """A ledger of three versions: fresh, the same labels again, fresh again and not run yet."""
    of_last = hash_json(STUDY)
    events: list[tuple[str, str, dict[str, Any]]] = []
    for version, n_earlier in ((1, 0), (2, 1), (3, 0)):
        name = of_last if version == 3 else f"{version}" * 64
        looked = {
            "earlier_attempts": ["1" * 64] * n_earlier,
            "levels": [0.975 if n_earlier else 0.95],
            "kind": "unseen_pair",
            "openings": [],
            "is_fresh": not n_earlier,
        }
        statement = {
            "study_id": "gdsc-01", "version": version, "study_hash": name,
            "sealed": dict.fromkeys(SKILL, "0" * 64), "attempts": dict.fromkeys(SKILL, looked),
            "digest": "0" * 64, "splits": {}, "amends": None if version == 1 else "1" * 64,
            "reason": "" if version == 1 else f"a reason that wraps, of version {version}",
        }  # fmt: skip
        registration = {"registration": {"statement": statement}, "study_hash": name}
        events.append(("registered", "gdsc-01", registration))
        if version == 3:
            continue
        events.append(("run_started", "gdsc-01", {"study_hash": name}))
        for claim in SKILL:
            number = {
                "number": 0.3 * version,
                "lower": 0.3 * version - 0.1,
                "upper": 0.3 * version + 0.1,
            }
            told = {"gate": "anchored_score", "about": METRICS[0], "threshold": 0.5, **number}
            outcome = "passed" if number["lower"] >= 0.5 else "failed"
            events.append(("decided", claim, told | {"outcome": outcome, "study_hash": name}))
        events.append(("run_finished", "gdsc-01", {"study_hash": name}))
    fields = ("seq", "time", "kind", "subject", "payload")
    return [
        dict(zip(fields, (n, f"2026-11-02T09:00:{n:02d}+00:00", *event), strict=True))
        for n, event in enumerate(events, start=1)
    ]
