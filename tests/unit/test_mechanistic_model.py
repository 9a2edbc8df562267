"""The mechanistic model: a network and a declared table against data planted by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import DataError, MissingExtra, StudyError
from cellula.core.model import Fitted, Located, Model
from cellula.core.network import Parameter
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, run_context
from cellula.io.formats import write
from cellula.models.mechanistic.targets import Target, read_targets
from mechanistic_example import decay, exact, planted, planted_options, signal

HOUR = 3600.0


def model(folder: Path, **changed: Any) -> Model:
    found: Model = registry.create("model", "mechanistic_model", planted_options(folder, **changed))
    return found


def fitted(run: RunContext, **changed: Any) -> Fitted:
    return model(run.scratch, **changed).fit(planted(), None, run)


def ask(one: Fitted, run: RunContext, *rows: tuple[str, str, float, float]) -> Prediction:
    names, contexts, doses, times = zip(*rows, strict=True)
    queries = QueryTable.of(names, contexts, dose_molar=doses, time_s=times)
    (answer,) = one.predict(queries, None, run)
    return answer


@pytest.mark.requirement("K9", "a network in a file answers as any model does")
@pytest.mark.requirement("A5", "drug, dose and time in, readouts of cells out")
def test_it_answers_with_the_exact_course(run: RunContext) -> None:
    one = fitted(run)
    found = ask(
        one,
        run,
        ("vehicle", "low", 0.0, 2 * HOUR),
        ("drug_a", "low", 3e-8, 8 * HOUR),
        ("drug_a+drug_b", "low", 5e-7, 4 * HOUR),
    )
    both = 0.5 / (1 + 5e-7 / 3e-8)
    expected = [exact(1.0, 2), exact(0.5, 8), exact(both, 4)]
    assert found.mean[:, 0] == pytest.approx(expected, rel=1e-5)
    assert found.in_domain.all()


@pytest.mark.requirement("K9", "a foreign engine answers in the place of ours")
@pytest.mark.parametrize("engine", ["roadrunner", "copasi", "bngsim", "myokit"])
def test_another_engine_answers_alike(engine: str, run: RunContext) -> None:
    asked = (("vehicle", "low", 0.0, 2 * HOUR), ("drug_a", "high", 3e-8, 8 * HOUR))
    own = ask(fitted(run), run, *asked)
    try:
        other = ask(fitted(run, simulator=engine), run, *asked)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert other.mean == pytest.approx(own.mean, rel=1e-4)


@pytest.mark.requirement("A5", "unseen doses are predicted better than by the mean")
def test_unseen_doses_beat_the_mean_response(run: RunContext) -> None:
    data = planted(noise=0.05)
    doses = data.obs["dose_molar"].to_numpy()
    is_held = np.isin(doses, [3e-8, 3e-7])
    train, held = data.take(~is_held), data.take(is_held)
    errors = {}
    for name in ("mechanistic_model", "mean_response"):
        options = planted_options(run.scratch) if name == "mechanistic_model" else {}
        one: Fitted = registry.create("model", name, options).fit(train, None, run)
        answers = list(one.predict(held.queries(), train.controls, run))
        errors[name] = np.concatenate([part.mean for part in answers]) - held.dense()
    rmse = {name: float(np.sqrt((error**2).mean())) for name, error in errors.items()}
    assert rmse["mechanistic_model"] < 0.5 * rmse["mean_response"], rmse


def test_what_the_table_does_not_say_is_out_of_domain(run: RunContext) -> None:
    rows = [{"id": "k", "how": "scale", "value": 0.5, "latest_time_s": 3 * HOUR}]
    targets = planted_options(run.scratch)["targets"] | {"knock_down": rows}
    found = ask(
        fitted(run, targets=targets),
        run,
        ("drug_a", "low", 1e-6, 2 * HOUR),
        ("drug_a", "low", 2e-6, 2 * HOUR),
        ("stranger", "low", 1e-8, 2 * HOUR),
        ("drug_a+stranger", "low", 1e-8, 2 * HOUR),
        ("drug_a", "moon", 1e-8, 2 * HOUR),
        ("knock_down", "low", 0.0, 3 * HOUR),
        ("knock_down", "low", 0.0, 4 * HOUR),
    )
    assert found.in_domain.tolist() == [True, False, False, False, False, True, False]
    assert found.mean[2, 0] == pytest.approx(exact(1.0, 2), rel=1e-5)


def test_a_population_differs_and_does_not_depend_on_its_batch(run: RunContext) -> None:
    cells = {"n": 400, "spread": {"k": 0.4}}
    one = fitted(run, cells=cells)
    rows = [("vehicle", "low", 0.0, 200 * HOUR), ("drug_a", "high", 3e-8, 2 * HOUR)]
    both, alone = ask(one, run, *rows), ask(one, run, rows[1])
    assert both.cells is not None
    assert np.array_equal(both.mean[1], alone.mean[0])
    logs = np.log(both.cells.of(0)[:, 0] / 2)  # in the end P = k R / d
    assert logs.std() == pytest.approx(0.4, rel=0.1)
    assert abs(np.median(logs)) < 0.1
    again = model(run.scratch, cells=cells).restore(one.state())
    assert np.array_equal(ask(again, run, *rows).mean, both.mean)
    other = model(run.scratch, cells=cells).fit(planted(), None, run_context(1, run.scratch))
    assert not np.array_equal(ask(other, run, *rows).mean, both.mean)


def test_a_restored_model_needs_no_file(run: RunContext) -> None:
    table = run.scratch / "targets.csv"
    table.write_text(
        "perturbation,id,how,ic50_molar,value\ndrug_a,k,inhibit,3e-8,\ndrug_a,d,scale,,1.0\n"
    )
    one = fitted(run, targets=table)
    row = ("drug_a", "low", 3e-8, 8 * HOUR)
    before = ask(one, run, row).mean
    maker, state = model(run.scratch, targets=table), one.state()
    (run.scratch / "signal.sbml").unlink()
    table.unlink()
    assert np.array_equal(ask(maker.restore(state), run, row).mean, before)
    assert before[0, 0] == pytest.approx(exact(0.5, 8), rel=1e-5)


def test_cells_may_be_left_alone_first(run: RunContext) -> None:
    """After 100 h P stands at 2 k R / 1, and falls from there."""
    one = fitted(run, time={"before": 100.0}, contexts={"low": {"R": 1.0, "P": 0.0}})
    found = ask(one, run, ("drug_a", "low", 3e-8, 2 * HOUR)).mean[0, 0]
    assert found == pytest.approx(exact(0.5, 2), rel=1e-5)
    areas = fitted(
        run,
        time={"before": 100.0},
        contexts={"low": {"R": 1.0, "P": 0.0}},
        readouts={"P_nm": {"id": "P", "what": "area"}},
    )
    found = ask(areas, run, ("drug_a", "low", 3e-8, 2 * HOUR)).mean[0, 0]
    assert found == pytest.approx(2 + 2 * (1 - np.exp(-1)), rel=1e-4)  # none of what was before


def test_a_scale_is_fitted_on_controls_alone(run: RunContext) -> None:
    data = planted(noise=0.0)
    twisted = replace(data, data=data.data.copy())
    twisted.data.X = 3.0 * twisted.data.X + 7.0
    one = model(run.scratch, scale="fitted").fit(twisted, None, run)
    found = ask(one, run, ("drug_b", "high", 5e-7, 8 * HOUR))
    assert found.mean[0, 0] == pytest.approx(3 * exact(1.0, 8) + 7, rel=1e-4)
    with pytest.raises(DataError, match="fits on control profiles"):
        model(run.scratch, scale="fitted").fit(twisted.treated, None, run)


def test_paths_start_from_the_folder_of_the_data(run: RunContext, tmp_path: Path) -> None:
    planted_options(run.scratch)
    one = model(run.scratch, network="signal.sbml")
    assert isinstance(one, Located)
    with pytest.raises(DataError, match="no such file of a network"):
        one.within(tmp_path / "elsewhere").fit(planted(), None, run)
    one.within(run.scratch).fit(planted(), None, run)


def faults() -> dict[str, tuple[dict[str, Any], str]]:
    """Options that are wrong, and words of the error."""
    target = [{"id": "k", "how": "set", "value": 1.0}]
    return {
        "readout": ({"readouts": {"P_nm": {"id": "Q"}}}, "readout 'P_nm' names 'Q'"),
        "undeclared": ({"readouts": {"other": {"id": "P"}}}, "not declared: P_nm"),
        "target": ({"targets": {"x": [target[0] | {"id": "kk"}]}}, "perturbation 'x' names 'kk'"),
        "context": ({"contexts": {"low": {"RR": 1.0}}}, "context 'low' names 'RR'"),
        "spread": ({"cells": {"n": 2, "spread": {"zz": 0.1}}}, "cells.spread names 'zz'"),
        "time": ({"time": {"unit_s": 60.0}}, "says that its time is in '3600.0 second'"),
        "hash": ({"network_sha256": "0" * 64}, "network_sha256 says"),
        "table": ({"targets": "none.csv"}, "no such table of targets"),
        "no network": ({"network": "targets.csv"}, "no such file of a network"),
    }


@pytest.mark.requirement("K9", "ids, units, rows and files that do not fit are named errors")
@pytest.mark.parametrize("fault", faults())
def test_a_fault_is_named(run: RunContext, fault: str) -> None:
    changed, words = faults()[fault]
    with pytest.raises(DataError, match=words):
        fitted(run, **changed)


def test_units_that_differ_are_named(run: RunContext) -> None:
    nanomolar = "1e-09 mole * litre^-1"
    rate, rest = Parameter("k", 1.0, unit=nanomolar), signal().parameters[1:]
    write(replace(signal(), parameters=(rate, *rest)), run.scratch / "signal.sbml")
    fitted(run, readouts={"P_nm": {"id": "k", "unit": nanomolar}})
    with pytest.raises(DataError, match=r"'k' is in .* its readout says 'mole"):
        fitted(run, readouts={"P_nm": {"id": "k", "unit": "mole * litre^-1"}})


def test_wrong_options_are_named() -> None:
    base = options_without_a_file()
    for changed, words in (
        ({"simulator": "odd"}, "no simulator is called 'odd'"),
        ({"cells": {"n": 1, "spread": {"k": 0.1}}}, "give cells.n of 2 at least"),
        ({"cells": {"n": 2, "spread": {"k": -0.1}}}, "not above 0"),
        ({"targets": {"x": [{"id": "k", "how": "inhibit"}]}}, "without ic50_molar"),
        ({"targets": {"x": [{"id": "k", "how": "set"}]}}, "needs value"),
        ({"strange": 1}, "strange"),
    ):
        with pytest.raises(StudyError) as raised:
            registry.create("model", "mechanistic_model", base | changed)
        assert words in str(raised.value) + "".join(raised.value.mistakes)


def options_without_a_file() -> dict[str, Any]:
    return {"network": "x.sbml", "targets": {}, "readouts": {"P_nm": {"id": "P"}}}


def test_a_question_without_dose_or_time_is_named(run: RunContext) -> None:
    one = fitted(run)
    with pytest.raises(DataError, match="role dose_molar"):
        list(one.predict(QueryTable.of(["drug_a"], ["low"], time_s=[HOUR]), None, run))
    with pytest.raises(DataError, match="role time_s"):
        list(one.predict(QueryTable.of(["vehicle"], ["low"]), None, run))
    with pytest.raises(DataError, match="-1 s after"):
        list(one.predict(QueryTable.of(["vehicle"], ["low"], time_s=[-1.0]), None, run))


def test_time_that_nobody_tells_is_named(run: RunContext) -> None:
    write(decay(), run.scratch / "decay.sbml")
    changed = {
        "network": run.scratch / "decay.sbml",
        "targets": {},
        "contexts": {},
        "readouts": {"P_nm": {"id": "B"}},
    }
    with pytest.raises(DataError, match=r"give time\.unit_s in seconds"):
        fitted(run, **changed)
    one = fitted(run, **changed, time={"unit_s": HOUR})
    found = ask(one, run, ("vehicle", "low", 0.0, HOUR)).mean[0, 0]
    assert found == pytest.approx(2 - 2 * np.exp(-0.7), rel=1e-5)


def test_a_table_of_targets_says_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "targets.csv"
    for text, words in (
        ("perturbation,id,how\nx,k,inhibit\n", "row 1: .*without ic50_molar"),
        ("perturbation,id,value\nx,k,1\ny,k,soon\n", "row 2: value"),
        ("perturbation,id,value,colour\nx,k,1,red\n", "row 1: colour"),
        ("drug,id,value\nx,k,1\n", "column 'perturbation'"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_targets(path)
    path.write_text("perturbation,id,value,is_per_molar\nx,k,2,True\nx,1.10,3,False\n")
    table = read_targets(path)
    assert [one.id for one in table["x"]] == ["k", "1.10"]
    assert table["x"][0].dose(1.0, 0.25).value == 0.5


def test_inhibition_follows_hill() -> None:
    one = Target(id="k", how="inhibit", ic50_molar=1e-6, hill=2.0)
    assert [one.dose(0.0, dose).value for dose in (0.0, 1e-6, 1e300)] == [1.0, 0.5, 0.0]
    assert one.dose(0.0, 3e-6).value == pytest.approx(0.1)
