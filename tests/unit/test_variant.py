"""A network as a cell has it, with doses as events, from another start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Number, Symbol, apply
from cellula.core.network import AssignmentRule, Event, Network, Parameter, RateRule
from cellula.core.request import check_molecules, check_request
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.core.variant import is_settled, of_cell, treated, with_doses, with_rates, with_start
from cellula.testing.simulator import decay

NONE = ParameterTable((), np.zeros((1, 0)))
TIMES = np.array([0.0, 1.0, 2.0])


def with_parameter(id: str, rule: object = None) -> Network:
    network = decay()
    extra = Parameter(id, None, is_constant=False)
    rules = () if rule is None else (rule,)
    return replace(network, parameters=(*network.parameters, extra), rules=rules)  # type: ignore[arg-type]


def test_a_cell_has_its_values_and_no_other_start() -> None:
    network = replace(decay(), initial={"A": Number(9.0)})
    own = of_cell(network, {"A": 3.0, "k": 0.1, "cell": 2.0})
    assert [one.initial for one in own.species] == [3.0, 0.0]
    assert own.parameters[0].value == 0.1
    assert own.compartments[0].size == 2.0
    assert own.initial == {}


def test_doses_of_one_time_act_one_after_the_other() -> None:
    doses = Schedule((Dose(1, "A", 2, "add"), Dose(1, "A", 3, "scale"), Dose(2, "k", 0)))
    found = with_doses(decay(), doses)
    first, second = found.events
    assert first.assignments == {"A": apply("times", apply("plus", Symbol("A"), 2), 3)}
    assert second.trigger == apply("geq", TIME, 2)
    assert not second.initial_trigger
    assert [one.is_constant for one in found.parameters] == [False]


def test_ids_of_doses_do_not_meet_those_of_the_model() -> None:
    event = Event("dose_0", apply("gt", Symbol("A"), 9), {"A": Number(0.0)})
    found = with_doses(replace(decay(), events=(event,)), Schedule((Dose(1, "A", 2),)))
    assert [one.id for one in found.events] == ["dose_0", "dose_0_"]


def test_time_is_counted_from_the_start() -> None:
    network = with_parameter("p", AssignmentRule("p", apply("times", TIME, 2)))
    moved = with_start(network, 5.0)
    assert moved.rules[0].expression == apply("times", apply("plus", TIME, 5), 2)
    found = treated(network, NONE, Schedule((Dose(6, "k", 1),)), np.array([5.0, 7.0]))
    assert found.network.events[0].trigger == apply("geq", TIME, 1)
    assert found.at(np.array([5.0, 7.0])).tolist() == [0.0, 2.0]


def test_a_parameter_follows_every_rate() -> None:
    found, rates = with_rates(decay())
    assert rates == {"decay": "rate_of_decay"}
    assert found.rules == (AssignmentRule("rate_of_decay", decay().reactions[0].rate),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("network", "ids", "expected"),
    [
        (decay(), ("k", "A"), True),
        (decay(), ("cell",), False),
        (replace(decay(), initial={"A": Symbol("k")}), ("k",), False),
        (replace(decay(), initial={"A": Symbol("k")}), ("B",), True),
        (replace(decay(), events=(Event("e", apply("gt", Symbol("A"), 1), {}),)), ("A",), False),
        (with_doses(decay(), Schedule((Dose(0.0, "A", 1.0),))), ("k",), False),
        (with_doses(decay(), Schedule((Dose(1.0, "A", 1.0),))), ("k",), True),
    ],
)
def test_what_may_be_set_in_a_loaded_model(
    network: Network, ids: tuple[str, ...], expected: bool
) -> None:
    assert is_settled(network, ids) is expected


def test_what_follows_by_a_rule_is_not_settled() -> None:
    network = with_parameter("p", AssignmentRule("p", Symbol("k")))
    assert is_settled(network, ("k",))
    assert not is_settled(replace(network, initial={"A": Symbol("p")}), ("k",))


@pytest.mark.parametrize(
    ("cells", "doses", "times", "words"),
    [
        (ParameterTable(("x",), np.ones((1, 1))), (), TIMES, "'x', which network 'decay' lacks"),
        (ParameterTable(("k",), np.full((1, 1), np.nan)), (), TIMES, "cell 0 has nan as 'k'"),
        (ParameterTable(("decay",), np.ones((1, 1))), (), TIMES, "'decay', a reaction"),
        (NONE, (Dose(1, "x", 1),), TIMES, "a dose sets 'x'"),
        (NONE, (Dose(-1, "k", 1),), TIMES, "before the start, 0"),
        (NONE, (Dose(1, "k", np.inf),), TIMES, "is inf, no number"),
        (NONE, (), np.array([0.0, 2.0, 1.0]), "2 is followed by 1"),
        (NONE, (), np.array([0.0]), "two or more"),
        (NONE, (), np.array([0.0, np.nan]), "two or more finite"),
    ],
)
def test_what_cannot_be_asked(
    cells: ParameterTable, doses: tuple[Dose, ...], times: np.ndarray, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        check_request(decay(), cells, Schedule(doses), times)


def test_what_follows_a_rule_cannot_be_set() -> None:
    network = with_parameter("p", AssignmentRule("p", Symbol("k")))
    with pytest.raises(DataError, match="follows an assignment rule"):
        check_request(network, ParameterTable(("p",), np.ones((1, 1))), Schedule(), TIMES)
    check_request(
        with_parameter("p", RateRule("p", Symbol("k"))),
        ParameterTable(("p",), np.ones((1, 1))),
        Schedule(),
        TIMES,
    )


def test_molecules_are_whole_numbers() -> None:
    check_molecules(decay(), NONE)
    with pytest.raises(DataError, match=r"'A' starts with 2.5 molecules"):
        check_molecules(decay(initial=2.5), NONE)
    with pytest.raises(DataError, match=r"'B' starts with 0.5"):
        check_molecules(decay(), ParameterTable(("B",), np.array([[1.0], [0.5]])))
    with pytest.raises(DataError, match="amounts in mole"):
        check_molecules(replace(decay(), units={"substance": "mole"}), NONE)
