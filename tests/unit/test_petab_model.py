"""A PEtab problem fitted on some conditions tells the others, and says what it cannot."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from test_petab_tables import made

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.io.formats import read
from cellula.models.mechanistic.petab_model import FittedPetabModel, PetabModel
from cellula.models.mechanistic.petab_questions import PetabQuestions

pytest.importorskip("fides", reason="needs the extra fitting")

#: A decays at k; y is B and a is log10(A + 1), after times; three amounts of A at the start.
TIMES, AMOUNTS, K = (0.5, 1.0, 2.0, 4.0), {"low": 2.0, "middle": 5.0, "high": 9.0}, 0.9


def problem(folder: Path, more: str = "") -> Path:
    path = made(folder, {"observables.tsv": ("0.1 * a", "0.05")})
    rows = [f"y\t{name}\t0\t{time}\t1\t0.1" for name in AMOUNTS for time in TIMES]
    rows += [f"a\t{name}\t1\t{time}\t\t" for name in AMOUNTS for time in TIMES]
    head = (folder / "measurements.tsv").read_text().splitlines()[0]
    (folder / "measurements.tsv").write_text("\n".join([head, *rows]) + "\n" + more)
    lines = [f"{name}\t{amount}" for name, amount in AMOUNTS.items()]
    (folder / "conditions.tsv").write_text("\n".join(["conditionId\tA", *lines]) + "\n")
    return path


def measured(names: tuple[str, ...]) -> Dataset:
    rows = [(name, time) for name in names for time in TIMES]
    left = np.array([AMOUNTS[name] * math.exp(-K * time) for name, time in rows])
    start = np.array([AMOUNTS[name] for name, _ in rows])
    obs = pd.DataFrame(
        [(name, f"{time:g}") for name, time in rows],
        columns=["perturbation", "context"],
        index=[f"p{i}" for i in range(len(rows))],
    )
    values = np.column_stack([start - left, np.log10(left + 1)])
    return Dataset(
        AnnData(values, obs, pd.DataFrame(index=pd.Index(["y", "a"]))), ValueType.QUANTITY
    )


def model(path: Path, **options: object) -> PetabModel:
    found: PetabModel = registry.create(
        "model", "petab_model", {"problem": path.name, "starts": 2, **options}
    )
    return found.within(path.parent)


def fitted(path: Path, run: RunContext) -> FittedPetabModel:
    return model(path).fit(measured(("low", "high")), None, run)


@pytest.mark.requirement("K9", "A5")
def test_conditions_that_were_not_fitted_are_told(tmp_path: Path, run: RunContext) -> None:
    found = fitted(problem(tmp_path), run)
    assert found.parameters["k"] == pytest.approx(K, rel=1e-3)  # not the nominal 0.5
    held = measured(("middle",))
    (told,) = found.predict(held.queries(), None, run)
    np.testing.assert_allclose(told.mean, held.dense(), atol=1e-3)
    assert told.in_domain.all()


def test_beyond_the_fitted_conditions_is_out_of_domain(tmp_path: Path, run: RunContext) -> None:
    found = model(problem(tmp_path)).fit(measured(("low", "middle")), None, run)
    (told,) = found.predict(measured(("high",)).queries(), None, run)
    assert not told.in_domain.any()


def test_what_was_measured_in_the_problem_is_not_looked_at(tmp_path: Path, run: RunContext) -> None:
    one = fitted(problem(tmp_path / "one"), run)
    other = problem(tmp_path / "other")
    text = (other.parent / "measurements.tsv").read_text()
    (other.parent / "measurements.tsv").write_text(text.replace("\t0\t", "\t77\t"))
    np.testing.assert_array_equal(one.told, fitted(other, run).told)


@pytest.mark.parametrize(
    ("label", "time", "said"), [("none", "1", "'none'"), ("low", "never", "'never'")]
)
def test_a_question_beyond_the_problem_is_refused(
    label: str, time: str, said: str, tmp_path: Path, run: RunContext
) -> None:
    found = fitted(problem(tmp_path), run)
    with pytest.raises(DataError, match=said):
        list(found.predict(QueryTable.of([label], [time]), None, run))


def test_other_faults_are_named(tmp_path: Path, run: RunContext) -> None:
    path, data = problem(tmp_path), measured(("low",))
    with pytest.raises(DataError, match="no such PEtab problem"):
        model(path.with_name("gone.yaml")).fit(data, None, run)
    with pytest.raises(DataError, match="role time_s"):
        model(path, time="time_s").fit(data, None, run)
    renamed = data.data.copy()
    renamed.var_names = ["y", "z"]
    with pytest.raises(DataError, match="no observable 'z'"):
        model(path).fit(Dataset(renamed, ValueType.QUANTITY), None, run)
    strange = data.data.copy()
    strange.obs["perturbation"] = "elsewhere"
    with pytest.raises(DataError, match="'elsewhere' is no condition"):
        model(path).fit(Dataset(strange, ValueType.QUANTITY), None, run)


def test_a_gain_that_differs_between_measurements_is_refused(tmp_path: Path) -> None:
    found = read(problem(tmp_path, "y\tlow\t0\t8\t2\t0.1\n"))
    with pytest.raises(DataError, match=r"2 sets of observableParameters .* 'y' under 'low'"):
        PetabQuestions.of(found, ("y",))  # type: ignore[arg-type]


def test_the_model_names_the_files_it_reads(tmp_path: Path) -> None:
    path = problem(tmp_path)
    assert {one.name for one in model(path).files} == {
        "problem.yaml", "model.xml", "parameters.tsv", "conditions.tsv", "observables.tsv",
        "measurements.tsv",
    }  # fmt: skip
