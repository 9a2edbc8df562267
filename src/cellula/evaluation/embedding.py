"""Two dimensions to look at: real and predicted cells in one picture, which proves nothing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from cellula.core.comparison import Comparison
from cellula.core.dataset import Matrix
from cellula.core.prediction import Population
from cellula.core.run import RunContext
from cellula.evaluation.metrics.two_sample_auroc import TwoSampleAuroc
from cellula.evaluation.sides import Sides
from cellula.evaluation.space import fit_pca
from cellula.evaluation.thirds import THIRDS

__all__ = ["CONTROL", "METHODS", "Embedding", "embed"]

#: The most cells of a side that are drawn, and of the controls.
MOST, MOST_CONTROLS = 1000, 300
#: The most real cells that the components are fitted on.
MOST_FITTED = 10_000
#: Fewer cells on a side are no picture.
FEWEST = 20
COMPONENTS = 30
NEIGHBOURS, PERPLEXITY = 15, 30.0
#: The steps of the two layouts; both begin at the first two components [kobak2021]_.
EPOCHS, STEPS = 200, 500
METHODS = ("UMAP", "t-SNE")
#: The kind of a cell that is a control; others are the third of their real response.
CONTROL = -1

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Embedding:
    """The drawn cells in the order real controls, real, predicted.

    points: method -> (cells, 2). is_predicted: (cells,); kind: (cells,) -1 for a control, else
    the third of the real response (small, medium, large) of the cell's question; context:
    (cells,) codes of ``contexts``. n_cells: of controls, real, predicted. n_components: of the real
    cells, in which neighbours are looked for. mixing: of the neighbours of the treated cells those
    of the other side, over what chance gives: 0 apart, 1 mixed. auroc: of a classifier that tells
    predicted from real cells by all readouts: .5 cannot, 1 always can.
    """

    points: Mapping[str, Floats]
    is_predicted: NDArray[np.bool_]
    kind: Codes
    context: Codes
    contexts: tuple[str, ...]
    n_cells: tuple[int, int, int]
    n_components: int
    mixing: float
    auroc: float


def embed(sides: Sides, run: RunContext) -> tuple[Embedding | None, str]:
    """UMAP [mcinnes2018]_ and t-SNE [kobak2019]_ of a sample of both sides, or why not.

    As many cells of every question on either side, so that only what they are can differ, and
    some real controls. Components are those of REAL cells; both sides are then laid out together:
    a map fitted on real cells alone would draw every predicted cell to its nearest real ones and
    hide what differs. Equal seeds give equal points whatever the number of threads.
    """
    if sides.no_cells:
        return None, sides.no_cells
    real, predicted, controls = _sample(sides, run.child("sample").rng)
    if len(real) < FEWEST:
        return None, f"{len(real)} cells on a side; a picture needs {FEWEST} at least"
    with threadpool_limits(limits=1):
        space = fit_pca(_fitted(sides, run), COMPONENTS, run.child("pca").rng)
        shown = sides.real_cells(real), sides.predicted_cells(predicted)
        cells = sides.real_cells(controls), *shown
        scores = np.concatenate([space.project(part) for part in cells])
        laid = {"UMAP": _umap, "t-SNE": _tsne}
        turns = run.progress.track(METHODS, "embedding")
        points = {name: laid[name](scores, run.child(name).rng) for name in turns}
        mixing = _mixing(scores[len(controls) :], len(real))
        auroc = _auroc(*shown)
    thirds = np.array([THIRDS.index(name) for name in sides.groups["response"]], np.int64)
    asked = np.concatenate([sides.of_real[real], sides.of_predicted[predicted]])
    own = np.array([sides.contexts.index(str(name)) for name in sides.groups["context"]], np.int64)
    is_predicted = np.repeat([False, True], [len(controls) + len(real), len(predicted)])
    return Embedding(
        points=points,
        is_predicted=is_predicted,
        kind=np.concatenate([np.full(len(controls), CONTROL), thirds[asked]]),
        context=np.concatenate([sides.of_control[controls], own[asked]]),
        contexts=sides.contexts,
        n_cells=(len(controls), len(real), len(predicted)),
        n_components=len(space.components),
        mixing=mixing,
        auroc=auroc,
    ), ""


# -- the sample -------------------------------------------------------------------------------
def _sample(sides: Sides, rng: np.random.Generator) -> tuple[Codes, Codes, Codes]:
    """Rows of real cells, of as many predicted cells of every question, and of controls."""
    there = np.minimum(*sides.n_cells)
    share = min(1.0, MOST / max(int(there.sum()), 1))
    wanted = np.minimum(np.maximum(np.floor(there * share).astype(int), 1), there)
    real, predicted = (
        np.concatenate([_some(np.flatnonzero(codes == g), n, rng) for g, n in enumerate(wanted)])
        for codes in (sides.of_real, sides.of_predicted)
    )
    controls = np.flatnonzero(sides.of_control >= 0)
    return real, predicted, _some(controls, min(len(controls), MOST_CONTROLS), rng)


def _some(rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    return np.sort(rng.choice(rows, n, replace=False)) if n else rows[:0]


def _fitted(sides: Sides, run: RunContext) -> Matrix:
    """The real cells on which the components are fitted."""
    rows = np.flatnonzero((sides.of_real >= 0) | (sides.of_control >= 0))
    return sides.real_cells(_some(rows, min(len(rows), MOST_FITTED), run.child("fitted").rng))


# -- the layouts ------------------------------------------------------------------------------
def _begin(scores: Floats) -> Floats:
    """The first two components, the wider with a standard deviation of 1."""
    two = scores[:, :2] if scores.shape[1] > 1 else np.column_stack([scores, scores])
    spread = float(two.std(axis=0).max())
    return np.asarray((two - two.mean(axis=0)) / (spread or 1.0), np.float64)


def _umap(scores: Floats, rng: np.random.Generator) -> Floats:
    with warnings.catch_warnings():
        # it tells on import that an optional package of another layout is absent
        warnings.filterwarnings("ignore", message="Tensorflow not installed")
        from umap import UMAP
    layout = UMAP(
        n_neighbors=min(NEIGHBOURS, len(scores) - 1),
        n_epochs=EPOCHS,
        init=5.0 * _begin(scores),
        random_state=int(rng.integers(2**31 - 1)),
        n_jobs=1,
    )
    return np.asarray(layout.fit_transform(scores), np.float64)


def _tsne(scores: Floats, rng: np.random.Generator) -> Floats:
    layout = TSNE(
        perplexity=min(PERPLEXITY, (len(scores) - 1) / 3),
        max_iter=STEPS,
        init=1e-4 * _begin(scores),
        learning_rate="auto",
        random_state=int(rng.integers(2**31 - 1)),
        n_jobs=1,
    )
    return np.asarray(layout.fit_transform(scores), np.float64)


# -- the numbers beside them ------------------------------------------------------------------
def _mixing(scores: Floats, n_real: int) -> float:
    """Share of a treated cell's neighbours that are of the other side, over that of chance."""
    side = np.arange(len(scores)) >= n_real
    k = min(NEIGHBOURS, len(scores) - 1)
    near = cKDTree(scores).query(scores, k + 1)[1][:, 1:]
    other = (side[near] != side[:, None]).mean(axis=1)
    n = np.where(side, n_real, len(scores) - n_real)
    return float(np.mean(other / (n / (len(scores) - 1))))


def _auroc(real: Matrix, predicted: Matrix) -> float:
    """Two-sample AUROC of all drawn cells as one group."""
    x, y = (
        np.asarray(part.toarray() if sp.issparse(part) else part, np.float64)
        for part in (real, predicted)
    )
    nothing = np.zeros(len(x), np.int64), np.zeros(len(y), np.int64)
    one = Comparison(
        groups=pd.DataFrame({"perturbation": ["all"], "context": ["all"]}),
        unit=np.zeros(1, np.int64),
        units=("all",),
        readouts=tuple(map(str, range(x.shape[1]))),
        observed=x.mean(axis=0, keepdims=True),
        predicted=y.mean(axis=0, keepdims=True),
        observed_cells=Population(x, nothing[0]),
        predicted_cells=Population(y, nothing[1]),
    )
    return float(TwoSampleAuroc().terms(one).values[0, 0])
