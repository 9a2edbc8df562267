"""A network as equations: what is a state, what follows, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.evaluation import evaluate
from cellula.core.expression import Expression
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Compartment,
    Network,
    Parameter,
    Participant,
    RateRule,
    Reaction,
    Species,
)
from cellula.core.simulation import ParameterTable
from cellula.io.infix import parse
from cellula.models.mechanistic.start import start_values
from cellula.models.mechanistic.system import System, system_of

CELL = Compartment("cell", 2.0)
NOBODY = ParameterTable((), np.zeros((1, 0)))


def free(id: str, value: float | None = None) -> Parameter:
    return Parameter(id, value, is_constant=False)


def at_start(system: System) -> dict[str, float]:
    values = start_values(system.start, system.network, NOBODY, 0.0)
    return {id: float(evaluate(one, values, 0.0).ravel()[0]) for id, one in system.observed.items()}


def rates(system: System) -> dict[str, float]:
    values = start_values(system.start, system.network, NOBODY, 0.0)
    found = (float(evaluate(one, values, 0.0).ravel()[0]) for one in system.derivatives)
    return dict(zip(system.states, found, strict=True))


def conversion(rate: Expression, **more: object) -> Network:
    return Network(
        "n",
        (CELL,),
        (Species("A", "cell", 3.0), Species("B", "cell", 1.0, initial_is_amount=True)),
        (Parameter("k", 0.5),),
        (Reaction("r", (Participant("A", 2.0),), (Participant("B"),), rate),),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.requirement("K9")
def test_amounts_are_states_and_ids_concentrations() -> None:
    system = system_of(conversion(parse("k * A")))
    assert system.states == ("amount(A)", "amount(B)")
    assert at_start(system) == {"cell": 2.0, "A": 3.0, "B": 0.5, "k": 0.5, "r": 1.5}
    assert rates(system) == {"amount(A)": -3.0, "amount(B)": 1.5}


@pytest.mark.requirement("K9")
def test_conversion_factors() -> None:
    network = conversion(parse("k * A"), conversion_factor="k")
    assert rates(system_of(network)) == {"amount(A)": -1.5, "amount(B)": 0.75}


@pytest.mark.requirement("K9")
def test_rate_rule_of_a_concentration_in_a_growing_volume() -> None:
    network = Network(
        "n",
        (Compartment("cell", 2.0, is_constant=False),),
        (Species("A", "cell", 3.0, is_boundary=True),),
        rules=(RateRule("cell", parse("0.5")), RateRule("A", parse("1.0"))),
    )
    assert rates(system_of(network)) == {"cell": 0.5, "amount(A)": 1.0 * 2.0 + 3.0 * 0.5}


@pytest.mark.requirement("K9")
def test_rate_of_a_concentration() -> None:
    network = conversion(parse("k * A"))
    wider = Network(
        "n", network.compartments, network.species, (*network.parameters, free("v")),
        network.reactions, (AssignmentRule("v", parse("rate_of(A) + rate_of(k)")),),
    )  # fmt: skip
    assert at_start(system_of(wider))["v"] == -1.5


@pytest.mark.requirement("K9")
def test_initial_values_and_rules_are_solved_together() -> None:
    network = Network(
        "n",
        parameters=(free("a"), free("b"), Parameter("c", None), Parameter("d", 1.0)),
        rules=(AssignmentRule("a", parse("b + 1")), AssignmentRule("b", parse("c * 2"))),
        initial={"c": parse("d + 2")},
    )
    assert at_start(system_of(network)) == {"a": 7.0, "b": 6.0, "c": 3.0, "d": 1.0}


def test_loop_is_named() -> None:
    network = Network(
        "n",
        parameters=(free("a"), free("b")),
        rules=(AssignmentRule("a", parse("b + 1")), AssignmentRule("b", parse("a * 2"))),
    )
    with pytest.raises(DataError, match=r"need one another: (a -> b -> a|b -> a -> b)"):
        system_of(network)


@pytest.mark.requirement("K9")
def test_linear_algebraic_rule_is_solved() -> None:
    network = Network(
        "n",
        parameters=(free("x"), Parameter("y", 2.0)),
        rules=(AlgebraicRule(parse("3 * x + y - 8")),),
    )
    system = system_of(network)
    assert (system.n_algebraic, at_start(system)["x"]) == (0, 2.0)


def test_algebraic_rules_that_cannot_be_met() -> None:
    over = Network(
        "n",
        parameters=(Parameter("y", 2.0),),
        rules=(AlgebraicRule(parse("y - 8")),),
    )
    with pytest.raises(DataError, match="over-determined"):
        system_of(over)
    under = Network(
        "n",
        parameters=(free("x", 1.0), free("y", 2.0)),
        rules=(AlgebraicRule(parse("x + y - 8")),),
    )
    with pytest.raises(DataError, match=r"'[xy]' or '[xy]': under-determined"):
        system_of(under)


def test_a_step_is_no_slope() -> None:
    """x + floor(x) = 3 is not linear, though its slope is 1 almost everywhere."""
    network = Network(
        "n", parameters=(free("x", 1.0),), rules=(AlgebraicRule(parse("x + floor(x) - 3")),)
    )
    assert system_of(network).n_algebraic == 1


def test_refusals_name_what_they_refuse() -> None:
    both = Network(
        "n", (CELL,), (Species("A", "cell"),), rules=(RateRule("A", parse("1")),),
        reactions=(Reaction("r", (), (Participant("A"),), parse("1")),),
    )  # fmt: skip
    with pytest.raises(DataError, match="'A' follows a rule and is changed by reactions"):
        system_of(both)
