"""On real cells: half of an experiment beside its other half, and the mean of all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.gene_sets import match_gene_sets
from cellula.evaluation.panel import MODEL, evaluate
from cellula.evaluation.score import score
from cellula.io.formats import read

SPECIFIC = ("centroid_accuracy", "normalised_inverse_rank", "pearson_specific")
NAMES = (
    *SPECIFIC,
    "pearson_delta",
    "pearson_centroid",
    "weighted_mse",
    "r2_weighted",
    "de_auprc",
    "de_direction",
    "de_jaccard",
    "de_overlap",
    "de_spearman",
)


@pytest.fixture(scope="module")
def halves(data_dir: Path) -> tuple[Dataset, Dataset]:
    """Activations in K562 (Norman 2019): half of the cells of every perturbation, and the rest."""
    cells = anndata.read_h5ad(data_dir / "singlecell" / "norman_mcfaline.h5ad")
    cells = cells[(cells.obs["cell_type"] == "k562").to_numpy()]
    obs = pd.DataFrame(
        {
            "perturbation": cells.obs["perturbation"].astype(str),
            "context": "k562",
            "is_control": cells.obs["is_control"].astype(bool),
        }
    )
    whole = Dataset(AnnData(cells.X, obs, cells.var[[]]), ValueType.LOG1P)
    is_first = np.arange(whole.n_profiles) % 2 == 0
    return whole.take(is_first | whole.is_control), whole.take(~is_first & ~whole.is_control)


@pytest.mark.data
@pytest.mark.requirement("E12", "E15")
def test_a_second_half_is_as_good_as_a_replicate(
    halves: tuple[Dataset, Dataset], run: RunContext
) -> None:
    panel = evaluate(*halves, run, metrics=NAMES, unit="perturbation")
    table = panel.summary.set_index(["model", "metric"])
    for name in NAMES:
        assert table.loc[(MODEL, f"{name}@1"), "anchored"] > 0.9, name
    for name in ("pearson_specific", "pearson_centroid", "de_jaccard", "de_auprc"):
        assert table.loc[("mean_response", f"{name}@1"), "value"] < 0.2, name


@pytest.mark.data
@pytest.mark.requirement("E15", "K11")
def test_the_mean_of_all_real_cells_is_no_answer(
    halves: tuple[Dataset, Dataset], run: RunContext
) -> None:
    """Not even that of the very cells that are scored: it tells nothing from anything."""
    real, _ = halves
    mean = real.treated.dense().mean(axis=0)
    answers = [
        replace(one, mean=np.tile(mean, (len(one.queries), 1)), cells=None)
        for one in as_predictions(real.treated)
    ]
    panel = evaluate(real, answers, run, metrics=SPECIFIC, unit="perturbation")
    table = panel.summary.set_index(["model", "metric"])
    for name in SPECIFIC:
        assert table.loc[(MODEL, f"{name}@1"), "anchored"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.data
@pytest.mark.requirement("E15")
def test_pathways_of_a_second_half(
    halves: tuple[Dataset, Dataset], data_dir: Path, tmp_path: Path
) -> None:
    """Processes of the Gene Ontology as a file of gene sets: from file to score."""
    genes = pd.read_csv(data_dir / "graph" / "human_gene_go.csv.gz")
    genes = genes[(genes["ont"] == "BP") & genes["symbol"].isin(halves[0].readouts)]
    lines = [
        "\t".join([str(term), "na", *sorted(set(part["symbol"]))])
        for term, part in genes.groupby("go_id")
    ]
    (tmp_path / "processes.gmt").write_text("\n".join(lines) + "\n")
    table = read(tmp_path / "processes.gmt")
    assert isinstance(table, pd.DataFrame)
    found = match_gene_sets(table, halves[0].readouts, min_members=5)
    assert len(found.sets.names) > 20
    assert len(found.sets.names) + len(found.too_small) == len(lines)
    real, other = halves
    given = compare(
        real.treated,
        as_predictions(other),
        controls=real.controls,
        unit="perturbation",
        gene_sets=found.sets,
    )
    concordance = registry.load("metric", "gene_set_concordance")()
    assert score(concordance, given).value > 0.6
