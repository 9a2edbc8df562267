"""Drugs ranked by reversal, with a model whose states are known: two readouts as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.applications import reversal, transition
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.learned.displaced import Change
from cellula.models.learned.regulators import activities, target_matrix
from cellula.models.learned.stages import Tracks

GENES = 400


@dataclass(frozen=True)
class Displaced:
    """Cells whose states are the first two readouts."""

    values: NDArray[np.float64]

    @property
    def states(self) -> NDArray[np.float64]:
        return self.values[:, :2]

    def after(self, changes: Sequence[Change]) -> NDArray[np.float64]:
        found = []
        for change in changes:
            values = self.values.copy()
            values[:, change.columns] += change.size
            found.append(values[:, :2])
        return np.stack(found)


@dataclass(frozen=True)
class Plain:
    """A model of stages without anything learned."""

    readouts: tuple[str, ...]

    def displaced(self, data: Dataset, rows: NDArray[np.int64], run: RunContext) -> Displaced:
        return Displaced(data.dense(rows))

    def tracks(self, data: Dataset, run: RunContext) -> Tracks:
        stage = np.asarray(data.labels("perturbation").codes, np.int64)
        none = np.zeros((1, 2), np.int64)
        return Tracks(("early", "late"), stage, np.zeros_like(stage), none, np.ones(1))

    def pull(
        self, start: NDArray[np.float64], end: NDArray[np.float64], run: RunContext
    ) -> NDArray[np.float64]:
        return (end - start) / (end - start).sum()


def patients(donors: int = 4) -> Dataset:
    """Readout g0 rises by 2 from early to late, g1 not; the others do not change."""
    rng = np.random.default_rng(0)
    is_late = np.repeat([False, True], 60)
    values = 5.0 + 0.3 * rng.normal(size=(120, GENES))
    values[is_late, 0] += 2.0
    donor = [f"d{i % donors}{late}" for i, late in enumerate(is_late)]
    obs = pd.DataFrame(
        {"perturbation": np.where(is_late, "late", "early"), "donor": donor, "is_control": ~is_late}
    )
    obs.index = obs.index.map("cell{}".format)
    names = [f"g{i}" for i in range(GENES)]
    return Dataset(AnnData(values, obs, pd.DataFrame(index=names)), ValueType.LOG1P)


def asked(**drugs: dict[str, float]) -> pd.DataFrame:
    rows = [(drug, gene, size) for drug, own in drugs.items() for gene, size in own.items()]
    return pd.DataFrame(rows, columns=["drug", "gene", "change"])


@pytest.mark.requirement("K12")
def test_a_drug_is_scored_by_the_share_of_the_way_back(run: RunContext) -> None:
    data = patients()
    drugs = asked(
        half={"g0": -1.0}, cure={"g0": -2.0}, worse={"g0": 1.0}, aside={"g7": 3.0}, none={"x": 1.0}
    )
    report = reversal.run(Plain(data.readouts), data, drugs, run)
    table = report.tables["drugs"].set_index("drug")
    assert list(table.index[:2]) == ["cure", "half"]
    assert table.loc["cure", "score"] == pytest.approx(1.0, abs=0.1)
    assert table.loc["half", "score"] == pytest.approx(0.5, abs=0.1)
    assert table.loc["worse", "score"] == pytest.approx(-0.5, abs=0.1)
    assert table.loc["aside", "score"] == 0.0
    assert (table["lower"].dropna() <= table["score"].dropna() + 1e-9).all()
    assert table.loc["half", "p"] < 0.1 < table.loc["aside", "p"]
    assert np.isnan(table.loc["none", "score"])
    assert table.loc["none", "reason"] == "none of its 1 gene is a readout"
    assert table.loc["none", "rank"] == 5
    assert report.numbers["unit"] == "donor"


def test_few_donors_are_told(run: RunContext) -> None:
    data = patients(donors=2)
    report = reversal.run(Plain(data.readouts), data, asked(half={"g0": -1.0}), run)
    assert report.numbers["unit"] == "cell"
    assert any("too narrow for another patient" in one for one in report.cautions)


def test_the_same_seed_gives_the_same_table(run: RunContext) -> None:
    data, drugs = patients(), asked(a={"g0": -1.0, "g3": 1.0}, b={"g5": 1.0})
    one, two = (reversal.run(Plain(data.readouts), data, drugs, run) for _ in range(2))
    pd.testing.assert_frame_equal(one.tables["drugs"], two.tables["drugs"])


def test_bad_tables_are_refused(run: RunContext) -> None:
    data = patients()
    plain = Plain(data.readouts)
    with pytest.raises(DataError, match="no column 'change'"):
        reversal.run(plain, data, asked(a={"g0": 1.0})[["drug", "gene"]], run)
    with pytest.raises(DataError, match="row 0 is nan"):
        reversal.run(plain, data, asked(a={"g0": np.nan}), run)
    with pytest.raises(DataError, match="there is no drug"):
        reversal.run(plain, data, asked(), run)
    with pytest.raises(DataError, match="track 3 of 1 track"):
        reversal.run(plain, data, asked(a={"g0": 1.0}), run, reversal.ReversalOptions(track=3))


@pytest.mark.requirement("K12")
def test_what_changes_along_a_track_is_ranked(run: RunContext) -> None:
    data = patients()
    edges = pd.DataFrame({"regulator": ["r0", "r1"], "target": ["g0", "g9"]})
    report = transition.run(Plain(data.readouts), data, run, edges)
    first = report.tables["genes"].iloc[0]
    assert (first["gene"], first["rank"]) == ("g0", 1)
    assert first["change"] == pytest.approx(2.0, abs=0.2)
    assert report.tables["regulators"].iloc[0]["regulator"] == "r0"
    with pytest.raises(DataError, match="no column 'target'"):
        transition.run(Plain(data.readouts), data, run, edges[["regulator"]])


@pytest.mark.requirement("K12")
def test_regulators_share_what_their_common_targets_do() -> None:
    rng = np.random.default_rng(0)
    readouts = tuple(f"g{i}" for i in range(100))
    rows = [("true", f"g{i}", 1.0 if i % 2 else -1.0) for i in range(10)]
    rows += [("shadow", f"g{i}", 1.0 if i % 2 else -1.0) for i in range(5)]
    rows += [("shadow", f"g{i}", 1.0) for i in range(50, 56)]
    rows += [("other", f"g{i}", 1.0) for i in range(70, 80)] + [("lost", "x", 1.0)]
    network = pd.DataFrame(rows, columns=["regulator", "target", "weight"])
    names, targets = target_matrix(network, readouts)
    assert names == ("other", "shadow", "true")
    change = 3.0 * targets[2] + rng.normal(size=100)
    table = activities(change, names, targets, 200, rng).set_index("regulator")
    assert table.index[0] == "true"
    assert table.loc["true", "p"] < 0.01 < table.loc["other", "p"]
    assert table.loc["true", "activity"] > 3 * abs(table.loc["shadow", "activity"])
    with pytest.raises(DataError, match="use the same names of genes"):
        target_matrix(network[network["target"] == "x"], readouts)
