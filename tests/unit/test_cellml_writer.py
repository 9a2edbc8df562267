"""Networks as CellML: the same ids read back, the same courses, and what CellML cannot say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.equations import equations
from cellula.core.errors import DataError
from cellula.core.expression import TIME, Expression, Number, Symbol, apply
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Compartment,
    Constraint,
    Event,
    Function,
    Network,
    Parameter,
    Participant,
    RateRule,
    Reaction,
    Species,
)
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.cellml import CellMl, cellml_form, cellml_text
from cellula.io.conversion import convert
from cellula.io.differences import differences
from cellula.io.formats import read
from cellula.io.infix import parse
from cellula.io.sbml import sbml_text
from cellula.testing.simulator import decay

NOBODY = ParameterTable((), np.zeros((1, 0)))


def course(network: Network, times: Any, run: RunContext) -> dict[str, Any]:
    simulator = registry.create("simulator", "ode", {"rtol": 1e-9, "atol": 1e-12})
    found = simulator.simulate(network, NOBODY, Schedule(), times, run)
    return {id: found.of(id)[0] for id in found.ids}


def rich() -> Network:
    """Everything that becomes another thing: sizes that change, factors, starts, functions."""
    return Network(
        "rich model",
        (Compartment("cell", 2.0, False, unit="litre"), Compartment("well", 3.0)),
        (
            Species("A", "cell", 4.0, initial_is_amount=True, unit="mole * litre^-1"),
            Species("B", "well", 1.0, is_amount=True),
            Species("C", "well", None),
            Species("D", "well", 2.0, is_boundary=True),
            Species("E", "well", 5.0, is_constant=True, initial_is_amount=True),
        ),
        (
            Parameter("k", 0.3, unit="(60.0 second)^-1"),
            Parameter("grow", 0.1),
            Parameter("y", None, is_constant=False),
            Parameter("twice", None),
            Parameter("factor", 0.5),
            Parameter("odd name!", 7.0, unit="furlongs"),
        ),
        (
            Reaction(
                "r", (Participant("A", 2.0),), (Participant("B"), Participant("C", 1.0, "n")),
                parse("f(k, A) * cell", own={"f": 2}),
            ),
            Reaction("s", (Participant("C"),), (), parse("0.01 * C * D + rate_of(cell)"), ("D",)),
        ),
        (
            RateRule("cell", parse("grow * cell")),
            AssignmentRule("y", parse("if(time > 1, A + B + C, quotient(7, 2)) + E")),
        ),
        functions=(Function("f", ("a", "b"), parse("a * b")),),
        initial={"C": parse("twice + B"), "twice": parse("k * 2")},
        conversion_factor="factor",
        units={"time": "60.0 second"},
    )  # fmt: skip


@pytest.mark.requirement("K9", "S2")
def test_equations_have_the_same_courses(run: RunContext) -> None:
    times = np.linspace(0, 5, 11)
    before, after = course(rich(), times, run), course(equations(rich()), times, run)
    for id in rich().ids:
        assert np.allclose(after[id], before[id], rtol=1e-6, equal_nan=True), id
    assert set(after) - set(before) == {"A_amount", "C_start"}


@pytest.mark.requirement("S2")
@pytest.mark.parametrize("network", [decay(), rich()], ids=["decay", "rich"])
def test_what_is_written_is_read_back_as_its_form(
    network: Network, tmp_path: Path, run: RunContext
) -> None:
    CellMl().write(network, tmp_path / "m.cellml")
    found, form = CellMl().read(tmp_path / "m.cellml"), cellml_form(network)
    assert differences(form, found) == ()
    assert cellml_form(form) == form
    assert cellml_text(form) == cellml_text(network)
    times = np.linspace(0, 5, 11)
    before, after = course(network, times, run), course(found, times, run)
    component = form.parameters[0].id.split(".")[0]
    for id, values in before.items():
        name = "odd_name_" if id == "odd name!" else id
        assert np.allclose(after[f"{component}.{name}"], values, rtol=1e-6), id


def test_units_keep_their_text(tmp_path: Path) -> None:
    texts = (
        "0.001 volt", "(0.001 second)^-1", "(60.0 second)^-2", "1e-09 mole * litre^-1", "litre",
        "furlongs", "3.5 metre", "item", "mole^0.5", "dimensionless", "1e-06 kelvin * ampere",
    )  # fmt: skip
    parts = tuple(Parameter(f"u.p{at}", 1.0, unit=text) for at, text in enumerate(texts))
    state = Parameter("u.x", 1.0, is_constant=False, unit="dimensionless")
    rules = (RateRule("u.x", Symbol("u.p0")),)
    network = Network("u", parameters=(state, *parts), rules=rules, units={"time": "second"})
    CellMl().write(network, tmp_path / "u.cellml")
    found = {one.id: one.unit for one in CellMl().read(tmp_path / "u.cellml").parameters}
    assert [found[f"u.p{at}"] for at in range(len(texts))] == list(texts)


def changed(**parts: Any) -> Network:
    return replace(decay(), **parts)


def with_rate(rate: Expression) -> Network:
    return changed(reactions=(replace(decay().reactions[0], rate=rate),))


FREE = (Parameter("k", 0.7, is_constant=False),)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            changed(parameters=FREE, events=(Event("e", parse("A < 1"), {"k": Number(0.0)}),)),
            "cannot hold the event 'e'",
        ),
        (with_rate(apply("delay", Symbol("A"), 1)), "cannot hold the delay in the rate of"),
        (with_rate(apply("factorial", Symbol("A"))), "no function 'factorial'"),
        (changed(constraints=(Constraint(parse("A > 0"), "low"),)), "the constraint 'low'"),
        (
            changed(reactions=(replace(decay().reactions[0], rate=None),)),
            "no rate for the reaction 'decay'",
        ),
        (
            changed(reactions=(replace(decay().reactions[0], is_fast=True),)),
            "the fast reaction 'decay'",
        ),
        (
            changed(parameters=(Parameter("k", None),)),
            "cannot be simulated",
        ),
        (
            changed(reactions=(), species=(), parameters=(Parameter("t", None, False),),
                    rules=(AssignmentRule("t", TIME),)),
            "CellML has no time then",
        ),
        (
            changed(compartments=(Compartment("cell", None),),
                    species=(Species("A", "cell", 1.0, initial_is_amount=True),), reactions=()),
            "has no size",
        ),
        (changed(initial={"k": parse("k + 1")}), "depends on itself"),
        (changed(parameters=(Parameter("k", float("inf")),)), "is inf at the start"),
    ],
)  # fmt: skip
def test_what_cellml_cannot_say_is_named(network: Network, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        CellMl().write(network, tmp_path / "m.cellml")
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_algebraic_rules(tmp_path: Path, run: RunContext) -> None:
    rule = AlgebraicRule(parse("x * x - A"))
    free = Parameter("x", 1.4, is_constant=False)
    network = changed(parameters=(*decay().parameters, free), rules=(rule,))
    CellMl().write(network, tmp_path / "m.cellml")
    found = course(CellMl().read(tmp_path / "m.cellml"), np.linspace(0, 2, 5), run)
    assert np.allclose(found["decay.x"] ** 2, found["decay.A"], rtol=1e-5)


@pytest.mark.requirement("S2")
def test_sbml_is_converted_with_a_word(tmp_path: Path) -> None:
    (tmp_path / "m.sbml").write_text(sbml_text(rich()))
    done = convert(tmp_path / "m.sbml", tmp_path / "m.cellml")
    assert done.became.startswith("equations: reactions")
    assert done.lost == ()
    again = convert(tmp_path / "m.cellml", tmp_path / "n.cellml")
    assert again.became == ""
    first, second = (read(tmp_path / name) for name in ("m.cellml", "n.cellml"))
    assert differences(first, second) == ()


REAL = {
    "cellml/beeler_reuter_model_1977.cellml": 400.0,
    "cellml/hodgkin_huxley_squid_axon_model_1952_modified.cellml": 50.0,
    "petab/Borghans_BiophysChem1997/model_Borghans_BiophysChem1997.xml": 2.0,
    "petab/Crauste_CellSystems2017/model_Crauste_CellSystems2017.xml": 10.0,
    "sbml/earm.xml": 5000.0,
    "sbml/mapk.xml": 3000.0,
}


@pytest.mark.data
@pytest.mark.requirement("K9", "S2")
@pytest.mark.parametrize("name", REAL)
def test_real_models_have_the_same_courses(
    name: str, data_dir: Path, tmp_path: Path, run: RunContext
) -> None:
    network = read(data_dir / "models" / name)
    assert isinstance(network, Network)
    CellMl().write(network, tmp_path / "m.cellml")
    found = CellMl().read(tmp_path / "m.cellml")
    assert differences(cellml_form(network), found) == ()
    simulator = registry.create("simulator", "ode", {"rtol": 1e-8, "atol": 1e-12})
    times = np.linspace(0, REAL[name], 21)
    courses = [simulator.simulate(one, NOBODY, Schedule(), times, run) for one in (network, found)]
    ids = dict(zip(equations(network).ids, cellml_form(network).ids, strict=True))
    for id in network.ids:
        before, after = courses[0].of(id)[0], courses[1].of(ids[id])[0]
        scale = np.nanmax(np.abs(before), initial=0.0)
        assert np.allclose(after, before, rtol=1e-4, atol=1e-5 * scale, equal_nan=True), id
