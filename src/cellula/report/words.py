"""The words of the dossier: how outcomes, claims, metrics and feedback are called in prose."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cellula.core.claim import ClaimKind
from cellula.core.gate import Feedback, Loop, Outcome, Slot
from cellula.core.numerals import NO_BREAK
from cellula.core.roles import role_words

__all__ = [
    "CLAIM_SCOPE",
    "FEEDBACK_ADVICE",
    "LOOPS",
    "OUTCOME_STATUS",
    "SELECTED",
    "SLOTS",
    "capital",
    "claim_scope",
    "listing",
    "metric_words",
    "model_words",
    "plain_words",
    "sentence",
    "value_words",
    "with_name",
]

#: The name under which the model chosen inside training stands in every table of scores.
SELECTED = "selected"

#: Outcome -> the status that its shape, word and colour show.
OUTCOME_STATUS: Mapping[Outcome, str] = {
    Outcome.PASSED: "pass",
    Outcome.CONFIRMED: "pass",
    Outcome.FAILED: "fail",
    Outcome.DIRECTION_CONFLICT: "fail",
    Outcome.MAGNITUDE_CONFLICT: "fail",
    Outcome.NULL: "fail",
    Outcome.NOT_ELIGIBLE: "fail",
    Outcome.UNDERPOWERED: "wait",
}

LOOPS: Mapping[Loop, str] = {
    Loop.INNER: "Computation",
    Loop.MIDDLE: "Experiment",
    Loop.OUTER: "Translation",
}

SLOTS: Mapping[Slot, str] = {
    Slot.ENTRY: "entry",
    Slot.DECISION: "decision",
    Slot.EXIT: "exit",
}

#: Claim kind -> what it speaks of, as "for ...".
CLAIM_SCOPE: Mapping[ClaimKind, str] = {
    ClaimKind.UNSEEN_PERTURBATION: "perturbations never seen in training",
    ClaimKind.UNSEEN_COMBINATION: "combinations never seen in training",
    ClaimKind.UNSEEN_PAIR: "unmeasured pairs of a known perturbation and a known context",
    ClaimKind.UNSEEN_DOSE: "doses never seen in training",
    ClaimKind.UNSEEN_TIME: "times never seen in training",
    ClaimKind.UNSEEN_CONTEXT: "contexts never seen in training",
    ClaimKind.UNSEEN_DONOR: "donors never seen in training",
    ClaimKind.UNSEEN_BATCH: "batches never seen in training",
    ClaimKind.RANDOM: "profiles held out at random, which resemble the training data",
}

#: Feedback -> what to change before the next version.
FEEDBACK_ADVICE: Mapping[Feedback, str] = {
    Feedback.DATA_CLEANING: "clean or harmonise the data",
    Feedback.STRUCTURAL_PRIOR: "give the model more structure",
    Feedback.REGULARIZATION: "regularise the model or give it more data",
    Feedback.MODELING_ASSUMPTIONS: "revise the assumptions of the model",
    Feedback.FEATURE_SELECTION: "select other features",
    Feedback.PROTOCOL_PARAMETERS: "revise the parameters of the protocol",
    Feedback.FEATURE_ENGINEERING: "build features that carry over",
    Feedback.EXPERIMENTAL_DESIGN: "design another experiment",
}

#: What is not a model of the study, and anchors without a name.
SPECIAL_MODELS: Mapping[str, str] = {"ideal": "ideal value", "": "none"}

METRIC_NAMES: Mapping[str, str] = {
    "r2": "R²",
    "rmse": "RMSE",
    "coverage": "90 % coverage",
    "interval_width": "90 % width",
    "mmd": "MMD",
    "mae": "MAE",
    "des": "DES",
    "e_distance": "E-distance",
    "kl_divergence": "KL divergence",
    "kolmogorov_smirnov": "Kolmogorov–Smirnov",
    "pds_cosine": "PDS, cosine",
    "pds_l1": "PDS, L1",
    "lfc_nmae": "LFC NMAE",
    "knn_precision": "k-NN precision",
    "knn_recall": "k-NN recall",
    "knn_density": "k-NN density",
    "knn_coverage": "k-NN coverage",
    "knn_mixing": "k-NN mixing",
    "two_sample_auroc": "two-sample AUROC",
    "de_auprc": "DE AUPRC",
    "de_direction": "DE direction",
    "de_jaccard": "DE Jaccard",
    "de_overlap": "DE overlap",
    "de_spearman": "DE Spearman",
    "r2_weighted": "R², weighted",
    "weighted_mse": "MSE, weighted",
    "clustering_ari": "clusters, ARI",
    "clustering_nmi": "clusters, NMI",
    "crps": "CRPS",
    "pit_error": "PIT error",
    "sliced_wasserstein": "sliced Wasserstein",
}
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
PROPER_NAMES = ("pearson", "spearman", "wasserstein")

VALUE_NAMES: Mapping[str, str] = {
    "counts": "counts",
    "log1p": "log(1 + x)",
    "log2": "log₂",
    "z_score": "z-score",
    "ln_ic50": "ln IC50 (µM)",
    "concentration": "concentration (mol/l)",
}


def plain_words(name: str) -> str:
    """A name of the study file as words: ``ci_width_max`` -> ``ci width max``."""
    return role_words(name)


def claim_scope(kind: str) -> str:
    """What a claim of this kind speaks of; the kind itself where it is not one of ours."""
    known = {member.value: phrase for member, phrase in CLAIM_SCOPE.items()}
    return known.get(kind, plain_words(kind))


def metric_words(metric: str) -> str:
    """A metric without its version, as words: ``spearman_within_context@1`` and the like."""
    name = metric.partition("@")[0]
    if name in METRIC_NAMES:
        return METRIC_NAMES[name]
    first, *rest = name.split("_")
    return " ".join([first.capitalize() if first in PROPER_NAMES else first, *rest])


def model_words(model: str) -> str:
    """A model, baseline or ceiling as it stands in a table; ``ridge#2`` is its seed 2."""
    if model == SELECTED:
        return "selected in training"
    name, _, seed = model.partition("#")
    words = SPECIAL_MODELS.get(name) or plain_words(name)
    return f"{words}, seed {seed}" if seed else words


def capital(text: str) -> str:
    """The text with a capital to begin a sentence; the rest as it is (``RMSE``)."""
    return text[:1].upper() + text[1:]


def with_name(names: Mapping[str, str], label: str, unit: str = "") -> str:
    """A label with its common name, ``PLX4720 (1036)``; the parts of a combination one by one.

    unit: what a label that is a bare number is counted in: ``24 h``.
    """
    if unit and NUMBER.fullmatch(label):
        return f"{label}{NO_BREAK}{unit}"
    if label in names and names[label] != label:
        return f"{names[label]} ({label})"
    parts = label.split("+")
    is_told = len(parts) > 1 and any(part in names for part in parts)
    return " + ".join(with_name(names, part) for part in parts) if is_told else label


def sentence(text: str) -> str:
    """A text as one sentence: a capital, one full stop, no citation keys."""
    bare = re.sub(r"\s*\[\w+\]_", "", text).strip().rstrip(".")
    begins = capital(bare) if bare[1:2].isalpha() else bare
    return f"{begins}." if bare else ""


def value_words(value_type: str) -> str:
    """What the numbers of a value type are, as an axis says it."""
    return VALUE_NAMES.get(value_type, plain_words(value_type))


def listing(items: object) -> str:
    """A value of the study file as text: lists with commas, tables as ``key value`` pairs."""
    if isinstance(items, Mapping):
        parts = [f"{plain_words(str(key))} {listing(item)}" for key, item in items.items()]
        return ", ".join(parts) or "none"
    if isinstance(items, list | tuple):
        return ", ".join(listing(item) for item in items) or "none"
    if isinstance(items, bool):
        return "yes" if items else "no"
    return "not stated" if items is None or items == "" else str(items)
