"""The contracts carry every shape of problem: toys on what a virtual cell must answer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Assimilating, Fitted, State
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory
from cellula.core.value_type import ValueType
from cellula.testing.examples import action_potentials, single_cells, time_courses
from cellula.testing.simulator import decay

LINES, DRUGS = 988, 265


def frame(perturbation: NDArray[np.str_], context: NDArray[np.str_]) -> pd.DataFrame:
    index = pd.RangeIndex(len(perturbation)).astype(str)
    labels = {"perturbation": perturbation, "context": context}
    return pd.DataFrame({k: pd.Categorical(v) for k, v in labels.items()}, index)


@dataclass(frozen=True, slots=True)
class RowMean:
    """The mean of every perturbation, as a fitted model; batches of bounded memory."""

    labels: tuple[str, ...]
    means: NDArray[np.float64]
    readouts: tuple[str, ...]
    value_type: ValueType
    batch: int = 50_000

    @classmethod
    def of(cls, data: Dataset) -> RowMean:
        labels = data.labels("perturbation")
        sums = np.zeros((len(labels.categories), len(data.readouts)))
        np.add.at(sums, labels.codes, data.dense())
        count = np.bincount(labels.codes, minlength=len(sums))[:, None]
        names = tuple(map(str, labels.categories))
        return cls(names, sums / count, data.readouts, data.value_type)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        place = pd.Index(self.labels).get_indexer(queries.perturbation.categories)
        for part in queries.batches(self.batch):
            row = place[part.perturbation.codes]
            mean = np.where(row[:, None] >= 0, self.means[row], self.means.mean(axis=0))
            yield Prediction(part, self.readouts, self.value_type, mean, row >= 0)

    def state(self) -> State:
        return State({"means": self.means}, {"labels": list(self.labels)})


# -- a table of 214,000 ln IC50 without controls ------------------------------------------------
@pytest.mark.requirement("D1", "D11")
def test_a_table_of_214000_ic50_without_controls(run: RunContext) -> None:
    rng = np.random.default_rng(0)
    line, drug = np.divmod(np.sort(rng.choice(LINES * DRUGS, 214_000, replace=False)), DRUGS)
    effect = rng.normal(size=DRUGS)
    values = effect[drug] + rng.normal(size=len(drug))
    obs = frame(np.char.mod("drug%d", drug), np.char.mod("line%d", line))
    var = pd.DataFrame(index=["ln_ic50"])
    data = Dataset(AnnData(values[:, None], obs, var), ValueType.LN_IC50)
    assert data.controls is None
    assert data.value_type.is_absolute
    fitted = RowMean.of(data)
    answers = np.concatenate([p.mean for p in fitted.predict(data.queries(), None, run)])
    assert answers.shape == (214_000, 1)
    order = np.array([int(label[4:]) for label in fitted.labels])
    assert np.abs(fitted.means[:, 0] - effect[order]).max() < 0.2


# -- populations of single cells ----------------------------------------------------------------
@pytest.mark.requirement("E12")
def test_a_population_of_single_cells(run: RunContext) -> None:
    data = single_cells()
    controls = data.controls
    assert controls is not None
    effect = np.array([[0.3], [-0.1]]) + np.zeros((2, len(data.readouts)))
    base = controls.dense()
    cells = Population(
        np.concatenate([base + shift for shift in effect]),
        np.repeat(np.arange(2), len(base)),
    )
    queries = QueryTable.of(["G0", "G1"], ["type0", "type1"])
    answer = Prediction(
        queries,
        data.readouts,
        data.value_type,
        base.mean(axis=0) + effect,
        np.ones(2, bool),
        cells=cells,
    )
    assert answer.cells is not None
    for row in range(2):
        own = answer.cells.of(row)
        assert own.shape == base.shape
        np.testing.assert_allclose(own.mean(axis=0), answer.mean[row])
        np.testing.assert_allclose(own.std(axis=0), base.std(axis=0))


# -- time courses of a population of cells ------------------------------------------------------
def exact_decay(cells: ParameterTable, times: NDArray[np.float64]) -> Trajectory:
    rate = cells.values[:, cells.ids.index("k"), None]
    left = decay().species[0].initial * np.exp(-rate * times)
    return Trajectory(("A", "B"), times, np.stack([left, 2.0 - left], axis=2))


def readouts_of(trajectory: Trajectory, names: list[str]) -> Dataset:
    """A trajectory of (cells, times, ids) as a dataset of (cells x times) profiles."""
    cells, times, _ = trajectory.values.shape
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(["none"] * (cells * times)),
            "context": pd.Categorical(["well"] * (cells * times)),
            "individual": pd.Categorical(np.repeat(names, times)),
            "time_s": np.tile(trajectory.times, cells),
        },
        index=pd.RangeIndex(cells * times).astype(str),
    )
    values = trajectory.values.reshape(cells * times, -1)
    var = pd.DataFrame(index=list(trajectory.ids))
    return Dataset(AnnData(values, obs, var), ValueType.CONCENTRATION)


def test_time_courses_of_a_population_of_cells() -> None:
    rates = np.random.default_rng(0).lognormal(-1, 0.5, size=(40, 1))
    cells = ParameterTable(("k",), rates)
    assert Schedule().doses == ()
    trajectory = exact_decay(cells, np.linspace(0, 5, 11))
    data = readouts_of(trajectory, [f"cell{i}" for i in range(len(cells))])
    assert data.n_profiles == 40 * 11
    assert data.queries().columns == ("perturbation", "context", "time_s", "individual")
    np.testing.assert_allclose(data.dense().sum(axis=1), 2.0)
    late = data.take(data.role("time_s").to_numpy() == 5.0)
    np.testing.assert_allclose(late.dense()[:, 0], 2 * np.exp(-5 * rates[:, 0]))


# -- features of action potentials --------------------------------------------------------------
@pytest.mark.requirement("D1", "K8")
def test_features_of_action_potentials(run: RunContext) -> None:
    data = action_potentials()
    assert data.readouts == ("rest_mv", "peak_mv", "apd90_s")
    assert data.dense().min() < 0
    queries = data.queries()
    assert queries.dose_molar is not None
    controls = data.controls
    assert controls is not None
    assert (controls.role("dose_molar") == 0).all()
    answer = next(RowMean.of(data.treated).predict(queries, controls, run))
    assert not answer.in_domain[data.is_control].any()
    assert answer.in_domain[~data.is_control].all()
    duration = dict(zip(answer.queries.perturbation, answer.mean[:, 2], strict=True))
    assert duration["dofetilide"] > duration["verapamil"]


# -- ten million queries in bounded memory ------------------------------------------------------
@pytest.mark.requirement("A4", "D13")
def test_ten_million_queries_in_bounded_memory(run: RunContext) -> None:
    n, most = 10_000_000, 50 * 2**20  # all at once would take 238 MB
    drugs = [f"drug{i}" for i in range(1000)]
    means = np.random.default_rng(0).normal(size=(1000, 1))
    fitted = RowMean(tuple(drugs), means, ("ln_ic50",), ValueType.LN_IC50)
    codes = np.arange(n, dtype=np.int32)
    queries = QueryTable(
        pd.Categorical.from_codes((codes % 1000).astype(np.int16), categories=drugs),
        pd.Categorical.from_codes(
            (codes // 10_000).astype(np.int16), categories=[f"line{i}" for i in range(1000)]
        ),
        dose_molar=np.full(n, 1e-6),
    )
    tracemalloc.start()
    try:
        total, done = 0.0, 0
        for batch in fitted.predict(queries, None, run):
            total, done = total + float(batch.mean.sum()), done + len(batch.queries)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done == n
    assert total == pytest.approx(n / 1000 * means.sum(), rel=1e-9)
    assert peak < most, f"{peak / 2**20:.0f} MB above the table itself"


# -- an individual whose observations arrive one by one -----------------------------------------
@dataclass(frozen=True, slots=True)
class RateTwin:
    """The decay rate of one individual: a normal posterior that every observation narrows."""

    mean: float
    precision: float

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        if queries.time_s is None or queries.dose_molar is None:
            raise DataError("a forecast needs dose_molar and time_s in every query")
        half = 1.64 / np.sqrt(self.precision)
        left, fast, slow = (
            queries.dose_molar * np.exp(-rate * queries.time_s)
            for rate in (self.mean, self.mean + half, self.mean - half)
        )
        pair = [np.column_stack([x, queries.dose_molar - x]) for x in (left, fast, slow)]
        lower, upper = np.minimum(pair[1], pair[2]), np.maximum(pair[1], pair[2])
        known = np.ones(len(queries), bool)
        yield Prediction(queries, ("A", "B"), ValueType.CONCENTRATION, pair[0], known, lower, upper)

    def state(self) -> State:
        return State({}, {"mean": self.mean, "precision": self.precision})

    def update(self, observed: Dataset, run: RunContext) -> Fitted:
        dose, time = (observed.role(name).to_numpy() for name in ("dose_molar", "time_s"))
        told = time > 0
        rate = np.log(dose[told] / observed.dense()[told, 0]) / time[told]
        weight = 1e8 * told.sum()
        precision = self.precision + weight
        mean = self.mean if not told.any() else float(rate.mean())
        return RateTwin((self.precision * self.mean + weight * mean) / precision, precision)


def test_an_individual_whose_observations_arrive_one_by_one(run: RunContext) -> None:
    data = time_courses()
    own = data.take((data.role("individual") == "patient3").to_numpy())
    twin: Assimilating = RateTwin(1e-3, 1e6)
    assert isinstance(twin, Assimilating)
    first, widths, errors = twin, [], []
    for row in range(own.n_profiles):
        answer = next(iter(twin.predict(own.queries(), None, run)))
        assert answer.lower is not None
        assert answer.upper is not None
        widths.append(float((answer.upper - answer.lower).max()))
        errors.append(float(np.abs(answer.mean - own.dense()).max()))
        updated = twin.update(own.take(np.array([row])), run)
        assert isinstance(updated, Assimilating)
        twin = updated
    assert first == RateTwin(1e-3, 1e6), "an update changes nothing that was there"
    assert widths[-1] < widths[0]
    assert errors[-1] < 0.1 * errors[0]
    with pytest.raises(DataError, match="dose_molar and time_s"):
        next(iter(twin.predict(replace(own.queries(), time_s=None), None, run)))


# -- two modalities with coordinates ------------------------------------------------------------
@pytest.mark.requirement("D1", "D5")
def test_two_modalities_with_coordinates() -> None:
    pytest.importorskip("mudata", reason="needs the extra multimodal")
    from cellula.testing.multimodal import two_modalities

    data = two_modalities()
    assert data.modalities == ("rna", "protein")
    assert data.roles == ("context", "donor")
    with pytest.raises(DataError, match="modality"):
        _ = data.values
    proteins = data.modality("protein", ValueType.COUNTS)
    expression = data.modality("rna", ValueType.LOG1P)
    assert proteins.n_profiles == expression.n_profiles == data.n_profiles
    assert list(proteins.role("donor")) == list(data.role("donor"))
    assert expression.data.obsm["spatial"].shape == (data.n_profiles, 2)
    assert data.digest() == two_modalities().digest()
    assert data.digest() != two_modalities(seed=1).digest()


def test_some_profiles_of_two_modalities() -> None:
    pytest.importorskip("mudata", reason="needs the extra multimodal")
    from cellula.testing.multimodal import two_modalities

    data = two_modalities()
    rim = data.take((data.role("context") == "rim").to_numpy())
    assert rim.n_profiles == data.n_profiles // 2
    assert rim.modalities == data.modalities
    assert rim.roles == data.roles
    assert rim.modality("rna", ValueType.LOG1P).data.obsm["spatial"].shape == (15, 2)
