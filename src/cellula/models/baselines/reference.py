"""The reference of an effect: the mean of the controls of every context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.pseudobulk import Pseudobulk, check_alike, mean_rows, pseudobulk

__all__ = ["Reference", "control_rows", "responses"]


@dataclass(frozen=True, slots=True)
class Reference:
    """Control means of contexts.

    contexts: labels; means: (contexts, readouts). A context that is not among them has the
    mean over all contexts, each with equal weight, and is not known. labels: what the controls
    are called in the column of perturbations, where nothing else is called so.
    """

    contexts: tuple[str, ...]
    means: NDArray[np.float64]
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Dataset]) -> Reference | None:
        """The reference from the controls of datasets; None where they have no control."""
        check_alike(parts)
        labels = np.concatenate([np.asarray(part.queries().context, object) for part in parts])
        is_control = np.concatenate([part.is_control for part in parts])
        if not is_control.any():
            return None
        codes = pd.Categorical(labels[is_control])
        group = np.full(len(labels), -1, np.int64)
        group[is_control] = codes.codes
        sums = np.zeros((len(codes.categories), len(parts[0].readouts)))
        start = 0
        for part in parts:
            own = group[start : start + part.n_profiles]
            size = np.bincount(own[own >= 0], minlength=len(sums))[:, None]
            sums += mean_rows(part.values, own, len(sums)) * size
            start += part.n_profiles
        size = np.bincount(group[group >= 0], minlength=len(sums))[:, None]
        return cls(tuple(map(str, codes.categories)), sums / size, _control_labels(parts))

    def at(self, context: pd.Categorical) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The control mean of every row (rows, readouts), and whether its context has controls."""
        place = label_positions(context, self.contexts)
        means = np.concatenate([self.means, self.means.mean(0, keepdims=True)])
        return means[place], place >= 0

    def updated(self, other: Reference) -> Reference:
        """These control means, replaced by those of ``other`` wherever it has a context."""
        replaced = set(other.contexts)
        kept = [i for i, name in enumerate(self.contexts) if name not in replaced]
        contexts = (*other.contexts, *(self.contexts[i] for i in kept))
        means = np.concatenate([other.means, self.means[kept]])
        return Reference(contexts, means, self.labels)

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        meta = {"control_contexts": list(self.contexts), "control_labels": list(self.labels)}
        return State({"control_means": self.means}, meta)

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> Reference | None:
        """The reference of a state, or None where it has none."""
        if "control_means" not in arrays:
            return None
        contexts, labels = tuple(meta["control_contexts"]), tuple(meta["control_labels"])
        return cls(contexts, arrays["control_means"], labels)


def _control_labels(parts: Sequence[Dataset]) -> tuple[str, ...]:
    names: tuple[set[str], set[str]] = (set(), set())
    for part in parts:
        if part.has_role("perturbation"):
            labels, is_control = np.asarray(part.labels("perturbation"), object), part.is_control
            names[0].update(map(str, labels[is_control]))
            names[1].update(map(str, labels[~is_control]))
    return tuple(sorted(names[0] - names[1]))


def control_rows(control: Dataset) -> Dataset:
    """The control profiles of what a caller handed over as controls.

    All of it where there is no role is_control. Raises DataError where no profile is a control.
    """
    if not control.has_role("is_control"):
        rows = control.data.copy()
        rows.obs["is_control"] = True
        return Dataset(rows, control.value_type, control.context_features)
    found = control.controls
    if found is None:
        raise DataError(
            f"of the {control.n_profiles} profiles given as controls none is one "
            "(column 'is_control' is False everywhere); hand over the control profiles"
        )
    return found


def responses(parts: Sequence[Dataset], reference: Reference | None) -> Pseudobulk:
    """What a treatment does: pseudobulks less their context's control, where there are controls.

    Raises DataError, naming them, where contexts were treated but have no control.
    """
    bulk = pseudobulk(parts)
    if reference is None:
        return bulk
    means, is_known = reference.at(bulk.queries().context)
    if not is_known.all():
        lost = sorted({bulk.contexts[code] for code in bulk.context[~is_known]})
        raise DataError(
            f"{len(lost)} context(s) have perturbed profiles but no controls: "
            f"{', '.join(lost[:5])}{' ...' if len(lost) > 5 else ''}; "
            "add their controls or leave these contexts out"
        )
    return bulk.minus(means)
