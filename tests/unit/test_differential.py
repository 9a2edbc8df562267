"""Differential tests: SciPy's numbers from memory and from a disk, and a reason for what lacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from anndata import AnnData
from scipy.stats import false_discovery_control, mannwhitneyu, ttest_ind

from cellula.core.errors import DataError
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.evaluation.differential import DifferentialOptions, differential

COUNTS = ValueType.COUNTS
NAMES = {"perturbation": "guide", "control": "none"}


def experiment(dtype: type = np.float32) -> AnnData:
    """Counts of 240 cells x 12 genes: 3 guides and a control in 2 lines of 4 donors."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.random(12) * 2 + 0.3, (240, 12))
    counts[:, 0] = 0
    counts[:, 1] = 2
    obs = pd.DataFrame(
        {
            "guide": rng.choice(["none", "b", "a", "c"], 240),
            "line": rng.choice(["K562", "RPE1"], 240),
            "donor": rng.choice(["d1", "d2", "d3", "d4"], 240),
        },
        index=[f"cell{k}" for k in range(240)],
    )
    var = pd.DataFrame(index=[f"g{k}" for k in range(12)])
    return AnnData(sp.csr_matrix(counts.astype(dtype)), obs=obs, var=var)


def compared(data: AnnData, run: RunContext, *, line: str | None = "line", **options: Any) -> Any:
    asked = DifferentialOptions(**{"value_type": COUNTS, **options})
    return differential(data, **NAMES, context=line, options=asked, run=run)


def arms(data: AnnData, row: Any, values: Any) -> tuple[Any, Any]:
    """The cells of a row and of its control."""
    here = (data.obs["line"] == row.context).to_numpy()
    guide = data.obs["guide"].to_numpy()
    return values[here & (guide == row.perturbation)], values[here & (guide == "none")]


@pytest.mark.parametrize("test", ["wilcoxon", "t"])
def test_every_row_is_scipy_s(test: str, run: RunContext) -> None:
    data = experiment()
    dense = pd.DataFrame(data.X.toarray().astype(np.float64), columns=data.var_names)
    table = compared(data, run, test=test)
    assert len(table) == 2 * 3 * 12
    assert sorted(set(table["perturbation"])) == ["a", "b", "c"]
    for row in table[table["reason"] == ""].itertuples():
        own, control = arms(data, row, dense[row.readout].to_numpy())
        assert (row.n, row.n_control) == (len(own), len(control))
        assert row.mean == pytest.approx(own.mean(), rel=1e-12)
        expected = (
            mannwhitneyu(own, control, method="asymptotic")
            if test == "wilcoxon"
            else ttest_ind(own, control, equal_var=False)
        )
        assert row.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
        assert row.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        ratio = (own.mean() + 1e-9) / (control.mean() + 1e-9)
        assert row.log2_fold_change == pytest.approx(np.log2(ratio), abs=1e-9)
    for _, family in table.groupby(["context", "perturbation"], observed=True):
        expected_p = false_discovery_control(family["p_value"].to_numpy())
        np.testing.assert_array_equal(family["p_adjusted"].to_numpy(), expected_p)


def test_a_constant_readout_has_p_1_and_a_reason(run: RunContext) -> None:
    for test in ("wilcoxon", "t"):
        table = compared(experiment(), run, test=test)
        constant = table[table["readout"].isin(["g0", "g1"])]
        assert set(constant["reason"]) == {"constant"}
        assert set(constant["p_value"]) == {1.0}
        assert set(table[~table["readout"].isin(["g0", "g1"])]["reason"]) == {""}


def stored(data: AnnData, folder: Path, kind: str) -> AnnData:
    """The same data: other types in memory, or on a disk."""
    if kind in ("csc", "dense", "int"):
        change = {"csc": sp.csc_matrix, "dense": lambda x: x.toarray(), "int": _as_int}[kind]
        return AnnData(change(data.X), obs=data.obs, var=data.var)
    if kind in ("h5ad", "dense h5ad"):
        content = data if kind == "h5ad" else stored(data, folder, "dense")
        content.write_h5ad(folder / "data.h5ad")
        return anndata.read_h5ad(folder / "data.h5ad", backed="r")
    group = zarr.open_group(folder / "data.zarr", mode="w", zarr_format=2)
    anndata.io.write_elem(group, "X", data.X)
    return AnnData(anndata.io.sparse_dataset(group["X"]), obs=data.obs, var=data.var)


def _as_int(matrix: Any) -> Any:
    return matrix.astype(np.int64)


@pytest.mark.parametrize("test", ["wilcoxon", "t", "pseudobulk"])
@pytest.mark.parametrize("kind", ["csc", "dense", "int", "h5ad", "dense h5ad", "zarr"])
def test_the_same_bits_wherever_the_matrix_is(
    kind: str, test: str, run: RunContext, tmp_path: Path
) -> None:
    data = experiment()
    options = {"test": test, "donor": "donor"}
    expected = compared(data, run, **options)
    other = stored(data, tmp_path, kind)
    table = compared(other, run, **options, rows_at_once=50, memory_gb=1e-5)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    if other.isbacked:
        other.file.close()


def test_two_threads_give_the_bits_of_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cellula.evaluation.differential.ranks.BLOCK_BYTES", 600)
    one, two = (compared(experiment(), run_context(0, tmp_path, threads=n)) for n in (1, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    monkeypatch.undo()
    whole = compared(experiment(), run_context(0, tmp_path))
    pd.testing.assert_frame_equal(one, whole, check_exact=True)


def test_counts_are_normalised_on_the_way(run: RunContext) -> None:
    data = experiment()
    counts = data.X.toarray().astype(np.float64)
    scaled = counts * (1000 / counts.sum(1, keepdims=True))
    logs = AnnData(sp.csr_matrix(np.log1p(scaled).astype(np.float32)), obs=data.obs, var=data.var)
    table = compared(data, run, normalise_to=1000)
    expected = compared(logs, run, value_type=ValueType.LOG1P)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    row = next(table[table["readout"] == "g5"].itertuples())
    assert row.mean == pytest.approx(arms(data, row, scaled[:, 5])[0].mean(), rel=1e-6)


def test_pseudobulk_compares_donors(run: RunContext) -> None:
    data = experiment()
    table = compared(data, run, test="pseudobulk", donor="donor")
    row = next(table[table["readout"] == "g6"].itertuples())
    logs, cpms = [], []
    for guide in (row.perturbation, "none"):
        of_guide = (data.obs["line"] == row.context) & (data.obs["guide"] == guide)
        sums = np.array(
            [
                np.asarray(data.X[(of_guide & (data.obs["donor"] == donor)).to_numpy()].sum(0))[0]
                for donor in ("d1", "d2", "d3", "d4")
            ]
        ).astype(np.float64)
        cpms.append(1e6 * sums[:, 6] / sums.sum(1))
        logs.append(np.log2(cpms[-1] + 1))
    expected = ttest_ind(*logs, equal_var=False)
    assert (row.n, row.n_control, row.reason) == (4, 4, "")
    assert row.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert row.mean == pytest.approx(cpms[0].mean(), rel=1e-12)


def test_two_donors_are_underpowered(run: RunContext) -> None:
    data = experiment()
    data = data[data.obs["donor"].isin(["d1", "d2"]).to_numpy()].copy()
    table = compared(data, run, test="pseudobulk", donor="donor")
    assert set(table["reason"]) == {"underpowered: 2 and 2 donors, at least 3 are needed"}


def test_what_cannot_be_tested_has_a_reason(run: RunContext) -> None:
    data = experiment()
    guide = data.obs["guide"].to_numpy().astype(object)
    line = data.obs["line"].to_numpy()
    guide[(line == "RPE1") & (guide == "none")] = "a"
    single = np.flatnonzero((line == "K562") & (guide == "b"))
    guide[single[1:]] = "a"
    data.obs["guide"] = pd.Categorical(guide, categories=["none", "a", "b", "c", "never"])
    for test in ("wilcoxon", "t"):
        table = compared(data, run, test=test)
        groups = table.groupby(["context", "perturbation"], observed=True)
        of = {key: set(rows["reason"]) for key, rows in groups}
        assert of["RPE1", "a"] == {"no control cells in this context"}
        assert of["K562", "never"] == {"no cells"}
        assert of["K562", "b"] == {"one cell"}
        assert of["K562", "a"] == {"", "constant"}
        without = table[table["reason"].str.startswith("no ")]
        assert without[["statistic", "p_value", "p_adjusted"]].isna().all(axis=None)


def test_log2_is_a_difference_and_scores_have_no_ratio(run: RunContext) -> None:
    data = AnnData(experiment().X.toarray() - 1.0, obs=experiment().obs, var=experiment().var)
    table = compared(data, run, value_type=ValueType.LOG2)
    difference = table["mean"] - table["mean_control"]
    np.testing.assert_array_equal(table["log2_fold_change"], difference)
    table = compared(data, run, value_type=ValueType.Z_SCORE)
    assert table["log2_fold_change"].isna().all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("at_once", [8192, 10])
def test_a_bad_value_is_named(value: float, at_once: int, run: RunContext) -> None:
    data = experiment()
    dense = data.X.toarray()
    dense[100, 7] = value
    matrix = sp.csr_matrix(dense) if at_once > 10 else dense
    wrong = AnnData(matrix, obs=data.obs, var=data.var)
    with pytest.raises(DataError, match=r"cell 'cell100', readout 'g7': the value"):
        compared(wrong, run, rows_at_once=at_once)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"perturbation": "sgRNA"}, "no column 'sgRNA'; they have: guide, line, donor"),
        ({"control": "NT"}, "no control 'NT'; it has 4 labels, such as a, b, c, none"),
        ({"context": "tissue"}, "no column 'tissue'"),
    ],
)
def test_a_wrong_name_is_an_error(names: dict[str, str], message: str, run: RunContext) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        differential(experiment(), **{**NAMES, **names}, run=run)


def test_data_that_cannot_be_read_are_errors(run: RunContext, tmp_path: Path) -> None:
    data = experiment()
    with pytest.raises(DataError, match="there is no layer 'raw'"):
        compared(data, run, layer="raw")
    data.obs.loc["cell3", "guide"] = None
    with pytest.raises(DataError, match="no label for 1 cells"):
        compared(data, run)
    by_column = stored(experiment(), tmp_path, "csc")
    by_column.write_h5ad(tmp_path / "csc.h5ad")
    backed = anndata.read_h5ad(tmp_path / "csc.h5ad", backed="r")
    with pytest.raises(DataError, match="stored by columns"):
        compared(backed, run)
    backed.file.close()


def test_options_that_contradict_are_errors() -> None:
    with pytest.raises(ValueError, match="sums the counts of each donor"):
        DifferentialOptions(test="pseudobulk", donor="donor")
    with pytest.raises(ValueError, match="normalise_to"):
        DifferentialOptions(value_type=ValueType.LOG1P, normalise_to=1e4)
    with pytest.raises(ValueError, match="ln_ic50 cannot be tested"):
        DifferentialOptions(value_type=ValueType.LN_IC50)
