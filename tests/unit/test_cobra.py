"""Flux balance by COBRApy, as an engine."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.flux import FluxBalance, FluxObjective
from cellula.core.flux_solver import FluxSolver
from cellula.core.network import Compartment, Network, Participant, Reaction, Species

pytest.importorskip("cobra", reason="the extra 'cobra' is not installed")


def chain(upper: float = 10.0, goal: str = "use") -> Network:
    """Uptake (up to 10) -> A -> B by two ways -> use: the best is 10 through either way."""

    def reaction(id: str, takes: str, gives: str, is_reversible: bool = False) -> Reaction:
        reactants = (Participant(takes),) if takes else ()
        products = (Participant(gives),) if gives else ()
        return Reaction(id, reactants, products, is_reversible=is_reversible)

    return Network(
        "chain",
        (Compartment("cell"),),
        (*(Species(id, "cell") for id in "ABM"), Species("O", "cell", is_boundary=True)),
        (),
        (
            reaction("take", "O", "A"),
            reaction("short", "A", "B"),
            reaction("long_1", "A", "M"),
            reaction("long_2", "M", "B"),
            reaction("use", "B", ""),
        ),
        flux=FluxBalance({"take": (0.0, upper)}, (FluxObjective("o", {goal: 1.0}),), "o"),
    )


def test_it_is_a_flux_solver() -> None:
    assert isinstance(registry.create("flux_solver", "cobra"), FluxSolver)


@pytest.mark.requirement("S4")
def test_the_best_flux_and_a_balance() -> None:
    found = registry.create("flux_solver", "cobra").solve(chain())
    assert found.status == "optimal"
    assert found.objective == pytest.approx(10)
    flux = found.values
    assert flux["take"] == pytest.approx(flux["short"] + flux["long_1"])
    assert flux["long_1"] == pytest.approx(flux["long_2"])


def test_of_the_best_the_smallest_sum() -> None:
    found = registry.create("flux_solver", "cobra", {"method": "pfba"}).solve(chain())
    expected = {"take": 10, "short": 10, "long_1": 0, "long_2": 0, "use": 10}
    assert found.values == pytest.approx(expected)


@pytest.mark.parametrize(
    ("network", "status"),
    [
        (chain(math.inf), "unbounded"),
        (
            replace(
                chain(),
                flux=FluxBalance(
                    {"use": (11.0, 20.0), "take": (0.0, 10.0)},
                    (FluxObjective("o", {"use": 1.0}),),
                    "o",
                ),
            ),
            "infeasible",
        ),
    ],
)
def test_no_answer_is_told_by_its_status(network: Network, status: str) -> None:
    found = registry.create("flux_solver", "cobra").solve(network)
    assert found.status == status
    assert found.values == {}
    assert math.isnan(found.objective)


def test_what_is_no_flux_balance() -> None:
    solver = registry.create("flux_solver", "cobra")
    with pytest.raises(DataError, match="no flux bounds and no objective"):
        solver.solve(replace(chain(), flux=None))
    crossed = FluxBalance({"take": (3.0, 1.0)}, (FluxObjective("o", {"use": 1.0}),), "o")
    with pytest.raises(DataError, match="bounds 3 and 1"):
        solver.solve(replace(chain(), flux=crossed))
    with pytest.raises(DataError, match="no objective 'x'"):
        solver.solve(replace(chain(), flux=replace(crossed, bounds={}, active="x")))


def test_the_textbook_model_grows_as_published() -> None:
    """E. coli core: .8739 per hour on glucose."""
    from cobra.io import load_model

    found = registry.create("flux_solver", "cobra").solve(_converted(load_model("textbook")))
    assert found.objective == pytest.approx(0.8739215069684, abs=1e-6)


def _converted(model: object) -> Network:
    reactions, bounds = [], {}
    for one in model.reactions:  # type: ignore[attr-defined]
        parts = [(species.id, float(many)) for species, many in one.metabolites.items()]
        reactions.append(
            Reaction(
                one.id,
                tuple(Participant(id, -many) for id, many in parts if many < 0),
                tuple(Participant(id, many) for id, many in parts if many > 0),
            )
        )
        bounds[one.id] = (float(one.lower_bound), float(one.upper_bound))
    goal = FluxObjective("o", {"Biomass_Ecoli_core": 1.0})
    return Network(
        "textbook",
        (Compartment("cell"),),
        tuple(Species(one.id, "cell") for one in model.metabolites),  # type: ignore[attr-defined]
        (),
        tuple(reactions),
        flux=FluxBalance(bounds, (goal,), "o"),
    )
