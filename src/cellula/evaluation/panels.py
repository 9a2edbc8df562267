"""Which metrics belong to which task: a panel covers layers, for no one number tells of all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cellula.core import registry
from cellula.core.errors import DataError

__all__ = ["FULL", "PANELS", "layers_of", "metrics_of"]

#: The task whose panel is every registered metric.
FULL = "full"

#: What tells of the error of reconstruction: ``rmse`` in the unit of the values, ``r2`` as the
#: share of the variance that is left. A third number would say the same.
RECONSTRUCTION = ("rmse", "r2", "variance_explained")
CALIBRATION = ("coverage", "interval_width", "interval_score", "crps", "pit_error")
#: What tells of the readouts that are called differentially expressed.
CALLED = ("de_overlap", "de_jaccard", "de_auprc", "de_direction", "de_spearman")
CLUSTERS = ("clustering_ari", "clustering_nmi")

#: Task -> names of metrics, those first that the field looks at first; which layer each tells of
#: is said by its definition, see :func:`layers_of`.
PANELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "perturbation": (
            "pearson_delta",
            "pearson_centroid",
            "pearson_specific",
            "centroid_accuracy",
            "normalised_inverse_rank",
            "weighted_mse",
            "r2_weighted",
            *CALLED,
            "gene_set_concordance",
            *RECONSTRUCTION,
            "energy_distance",
            "mmd",
            "wasserstein_per_gene",
            "two_sample_auroc",
            "knn_mixing",
            *CLUSTERS,
            *CALIBRATION,
        ),
        "drug_response": (
            "pearson_within_perturbation",
            "spearman_within_perturbation",
            "pearson_within_context",
            "spearman_within_context",
            "pearson",
            "spearman",
            *RECONSTRUCTION,
            "dose_agreement",
            *CALIBRATION,
        ),
        "time_course": (
            "time_course_agreement",
            "dose_agreement",
            "pearson_delta",
            *RECONSTRUCTION,
            "energy_distance",
            "wasserstein_per_gene",
            *CALIBRATION,
        ),
        "integration": (
            "knn_mixing",
            "two_sample_auroc",
            "energy_distance",
            "mmd",
            "sliced_wasserstein",
            "kolmogorov_smirnov",
            *RECONSTRUCTION,
            *CLUSTERS,
        ),
        "generation": (
            "knn_precision",
            "knn_recall",
            "knn_density",
            "knn_coverage",
            "knn_mixing",
            "two_sample_auroc",
            "energy_distance",
            "e_distance",
            "mmd",
            "sliced_wasserstein",
            "sinkhorn_divergence",
            "wasserstein_per_gene",
            "kolmogorov_smirnov",
            "kl_divergence",
        ),
    }
)


def metrics_of(task: str) -> tuple[str, ...]:
    """The names of the metrics of a task; ``full``: all that are registered.

    Raises DataError, naming the tasks, on an unknown one.
    """
    if task == FULL:
        return tuple(registry.names("metric"))
    if task not in PANELS:
        raise DataError(f"there is no panel {task!r}; the tasks are {', '.join((*PANELS, FULL))}")
    return PANELS[task]


def layers_of(task: str) -> dict[str, tuple[str, ...]]:
    """The metrics of a task by the layer that their definitions say they tell of.

    Raises DataError, naming the tasks, on an unknown one.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in metrics_of(task):
        layer = registry.load("metric", name).definition.layer
        found[layer] = (*found.get(layer, ()), name)
    return found
