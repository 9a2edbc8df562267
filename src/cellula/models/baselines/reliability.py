"""How far a measured effect can be trusted: noise of its cells, spread between its contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.models.baselines.pseudobulk import Pseudobulk, mean_rows

__all__ = ["Noise", "Shrunken", "noise_of", "precision", "shrunken"]

#: Profiles that are dense together.
BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Noise:
    """What of measured effects is chance.

    effect: (treatments, readouts) variance of the mean over contexts of a treatment's effect;
    control: (readouts,) variance of what all effects share, the mean of the controls; squared
    units of the values.
    """

    effect: NDArray[np.float64]
    control: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shrunken:
    """Effects drawn to their mean as far as they are noise.

    seen: (treatments, readouts); unseen: (readouts,) what is expected of any other treatment.
    """

    seen: NDArray[np.float64]
    unseen: NDArray[np.float64]


def noise_of(parts: Sequence[Dataset], bulk: Pseudobulk) -> Noise:
    """The noise of the effects of ``bulk``, which are those of the treated profiles of ``parts``.

    Profiles of one treatment in one context vary by s^2, pooled over all groups of profiles. An
    effect is a mean over n profiles less that of the controls. Contexts differ beyond that by
    i^2, by the method of moments over treatments that were measured in several. So the mean over
    C contexts varies by (s^2 mean(1/n) + i^2) / C.
    """
    variance, control = _within(parts)
    n_treatments = len(bulk.treatments)
    contexts = np.bincount(bulk.treatment, minlength=n_treatments)[:, None].astype(float)
    inverse = mean_rows(1.0 / bulk.size[:, None], bulk.treatment, n_treatments)
    between = _between(bulk, contexts)
    interaction = np.zeros_like(variance)
    if between is not None:
        several = contexts[:, 0] > 1
        interaction = np.maximum(between - variance * float(inverse[several].mean()), 0.0)
    return Noise((variance * inverse + interaction) / contexts, control)


def shrunken(effects: NDArray[np.float64], noise: Noise, has_control: bool) -> Shrunken:
    """Empirical-Bayes means of effects (treatments, readouts), readout by readout.

    With d the effects and v their noise: t^2, how much true effects differ, by the method of
    moments [dersimonian1986]_; the mean m with weights 1 / (t^2 + v); a seen effect is
    m + t^2 / (t^2 + v) (d - m) [morris1983]_. With controls m is drawn to 0 likewise, the
    variance of true means being pooled over readouts: what of m is noise of controls and profiles
    is taken from every effect, what the choice of treatments adds from an unseen one only.
    """
    v, n = noise.effect, len(effects)
    rough = np.zeros(effects.shape[1])
    if n > 1:
        rough = ((effects - effects.mean(axis=0)) ** 2).sum(axis=0) / (n - 1)
    spread = np.maximum(rough - v.mean(axis=0), 0.0)
    total = spread + v
    weight = 1.0 / np.where(total > 0, total, 1.0)
    mean = (weight * effects).sum(axis=0) / weight.sum(axis=0)
    kept = np.divide(spread, total, out=np.ones_like(v), where=total > 0)
    seen = mean + kept * (effects - mean)
    if not has_control:
        return Shrunken(seen, mean)
    share = weight / weight.sum(axis=0)
    by_noise = (share**2 * v).sum(axis=0) + noise.control
    square = mean**2
    unexplained = by_noise + (share**2).sum(axis=0) * spread
    return Shrunken(
        seen - mean * _share(by_noise, square + by_noise),
        mean * (1.0 - _share(unexplained, square + unexplained)),
    )


def precision(effects: NDArray[np.float64], noise: Noise) -> NDArray[np.float64]:
    """How much every effect should count in a fit: 1 / (t^2 + v), of mean 1: (treatments,).

    effects: (treatments, readouts); v the noise and t^2 the variance of true effects, both averaged
    over readouts. All count the same where nothing is known of the noise.
    """
    v = noise.effect.mean(axis=1)
    rough = float(effects.var(axis=0, ddof=1).mean()) if len(effects) > 1 else 0.0
    total = max(rough - float(v.mean()), 0.0) + v
    if not (total > 0).all():
        return np.ones(len(effects))
    return np.asarray((1.0 / total) / np.mean(1.0 / total), np.float64)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of the whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _within(parts: Sequence[Dataset]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pooled variance of profiles within their group, and that of the mean of the controls.

    Both (readouts,); 0 where every group is one profile. The mean of the controls is one over
    contexts with equal weight.
    """
    frame = pd.concat([_groups(part) for part in parts], ignore_index=True)
    group = frame.groupby(list(frame.columns), observed=True, dropna=False).ngroup()
    codes, n_groups = group.to_numpy(np.int64), int(group.max()) + 1
    size = np.bincount(codes, minlength=n_groups)
    starts = np.cumsum([0, *(part.n_profiles for part in parts)])
    places = [codes[a:b] for a, b in pairwise(starts)]
    sums = np.zeros((n_groups, len(parts[0].readouts)))
    for part, own in zip(parts, places, strict=True):
        counts = np.bincount(own, minlength=n_groups)[:, None]
        sums += mean_rows(part.values, own, n_groups) * counts
    means, square = sums / size[:, None], np.zeros(sums.shape[1])
    for part, own in zip(parts, places, strict=True):
        for start in range(0, part.n_profiles, BLOCK):
            rows = np.arange(start, min(start + BLOCK, part.n_profiles))
            square += ((part.dense(rows) - means[own[rows]]) ** 2).sum(axis=0)
    variance = square / max(len(codes) - n_groups, 1)
    is_control = frame.groupby(group)["is_control"].first().to_numpy(bool)
    controls = size[is_control]
    share = float((1.0 / controls).sum()) / len(controls) ** 2 if len(controls) else 0.0
    return variance, variance * share


def _groups(part: Dataset) -> pd.DataFrame:
    """What makes a group of profiles: the treatment and the context; of controls the context."""
    frame = part.queries().frame().drop(columns="individual", errors="ignore")
    is_control = part.is_control
    for name in ("dose_molar", "time_s"):
        if name in frame:
            frame[name] = np.where(is_control, np.nan, frame[name])
    labels = np.asarray(frame["perturbation"], object)
    frame["perturbation"] = np.where(is_control, "", labels)
    frame["context"] = np.asarray(frame["context"], object)
    return frame.assign(is_control=is_control)


def _between(bulk: Pseudobulk, contexts: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Variance between contexts within a treatment: (readouts,); None where all have one."""
    free = float((contexts - 1).sum())
    if free <= 0:
        return None
    means = bulk.effects()
    square = (bulk.values - means[bulk.treatment]) ** 2
    return np.asarray(square.sum(axis=0) / free, np.float64)
