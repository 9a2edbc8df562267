"""A PEtab problem fitted on some conditions tells the others, and says what it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.io.formats import read
from cellula.models.mechanistic.petab_model import FittedPetabModel, PetabModel
from cellula.models.mechanistic.petab_questions import PetabQuestions
from petab_example import TRUE_RATE, measured, problem

pytest.importorskip("fides", reason="needs the extra fitting")


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
    assert found.parameters["k"] == pytest.approx(TRUE_RATE, rel=1e-3)  # not the nominal 0.5
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
    other = problem(tmp_path / "other", noise=0.3)
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


def test_a_simulation_without_a_logarithm_is_refused(tmp_path: Path) -> None:
    found = PetabQuestions.of(read(problem(tmp_path)), ("y", "a"))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the model says 0 of 'a'"):
        found.on_scale(np.zeros(2 * len(found.questions)))


def test_the_model_names_the_files_it_reads(tmp_path: Path) -> None:
    path = problem(tmp_path)
    assert {one.name for one in model(path).files} == {
        "problem.yaml", "model.xml", "parameters.tsv", "conditions.tsv", "observables.tsv",
        "measurements.tsv",
    }  # fmt: skip
