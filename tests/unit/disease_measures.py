"""What a model recovers of the planted disease of ``disease_example``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from disease_example import STAGES, Disease
from sklearn.metrics import average_precision_score

from cellula.applications import reversal, transition
from cellula.core.registry import create
from cellula.core.run import run_context
from cellula.models.learned.graph_vae_gan import FittedGraphVaeGan

OPTIONS: dict[str, Any] = {
    "width": 64,
    "latent": 8,
    "clusters": 2,
    "train": {"epochs": 30, "batch": 64, "learning_rate": 3e-3},
}


@dataclass(frozen=True)
class Found:
    """is_ordered: whether the stages are; regulators: AUPRC of the planted ones on the track of
    kind A; rank, score, excess: of the planted drug there; error: root mean square of the decoded
    log rates of cells, against the truth.
    """

    is_ordered: bool
    regulators: float
    rank: int
    score: float
    excess: float
    error: float


def measured(truth: Disease, seed: int, scratch: Path, **options: Any) -> Found:
    """Fit, find the track of kind A, and ask for regulators and drugs there."""
    run = run_context(seed, scratch)
    fitted = create("model", "graph_vae_gan", OPTIONS | options).fit(truth.data, None, run)
    assert isinstance(fitted, FittedGraphVaeGan)
    tracks = fitted.tracks(truth.data, run)
    mean_kind = [truth.kind[tracks.rows(track, -1)].mean() for track in range(len(tracks))]
    track = int(np.argmin(mean_kind))
    report = transition.run(
        fitted, truth.data, run, truth.network, transition.TransitionOptions(n_random=200)
    )
    whole = f"{tracks.names[0]} to {tracks.names[-1]}"
    table = report.tables["regulators"].query(f"track == {track} and step == '{whole}'")
    is_planted = np.array([truth.active[int(name[1:])] for name in table["regulator"]])
    asked = reversal.ReversalOptions(track=track, n_cells=80, n_random=40, n_bootstrap=20)
    drugs = reversal.run(fitted, truth.data, truth.drugs, run, asked).tables["drugs"]
    planted = drugs.set_index("drug").loc["drug0"]
    return Found(
        tracks.names == STAGES,
        float(average_precision_score(is_planted, table["strength"])),
        int(planted["rank"]),
        float(planted["score"]),
        float(planted["excess"]),
        _error(fitted, truth, run),
    )


def _error(fitted: FittedGraphVaeGan, truth: Disease, run: Any) -> float:
    states = torch.from_numpy(fitted.states(truth.data, run)).float()
    with torch.no_grad():
        rate = fitted.network.vae.decode(states, None).mean.double().numpy()
    rate /= rate.sum(axis=1, keepdims=True)
    return float(np.sqrt(np.mean((np.log(rate) - np.log(truth.share)) ** 2)))
