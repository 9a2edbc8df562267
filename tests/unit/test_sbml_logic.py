"""Logic models in SBML: Boolean and of several levels, thresholds, faults by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import Number, Symbol, apply
from cellula.core.logic import Component, LogicNetwork
from cellula.io.sbml import Sbml, logic_text, network_of

A, B, C = Symbol("A"), Symbol("B.x"), Symbol("C")

NETWORK = LogicNetwork(
    "A",
    (
        Component("A", apply("or", apply("and", B, apply("not", apply("geq", C, 2))), A)),
        Component("B.x", None, 1, 1, "input"),
        Component("C", apply("piecewise", 2, apply("and", A, B), 1, A, 0), 2, 0),
        Component("D", Number(1.0)),
        Component("E", A),
        Component("F", apply("not", A)),
        Component("G", apply("xor", A, B)),
    ),
)


def read(text: str, folder: Path) -> LogicNetwork:
    path = folder / "m.sbml"
    path.write_text(text)
    found = Sbml().read(path)
    assert isinstance(found, LogicNetwork)
    return found


@pytest.mark.requirement("S2")
def test_a_logic_network_is_read_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "m.sbml"
    Sbml().write(NETWORK, path)
    assert Sbml().read(path) == NETWORK
    assert path.read_text() == logic_text(NETWORK)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("<apply><eq/><ci>A</ci><cn type='integer'>1</cn></apply>", A),
        ("<apply><geq/><ci>A</ci><ci>threshold</ci></apply>", A),
        ("<apply><lt/><ci>A</ci><ci>threshold</ci></apply>", apply("not", A)),
        ("<apply><eq/><cn>0</cn><ci>A</ci></apply>", apply("not", A)),
        ("<apply><leq/><cn>1</cn><ci>A</ci></apply>", A),
    ],
)
def test_comparisons_of_boolean_components(
    condition: str, expected: object, tmp_path: Path
) -> None:
    """As Cell Collective and GINsim write them: levels, or thresholds of inputs by their ids."""
    one = LogicNetwork("m", (Component("A", None), Component("E", A)))
    old = "<apply><geq/><ci>A</ci><cn>1</cn></apply>"
    text = logic_text(one).replace(
        '<qual:input qual:qualitativeSpecies="A"',
        '<qual:input qual:id="threshold" qual:thresholdLevel="1" qual:qualitativeSpecies="A"',
    )
    assert old in text
    assert read(text.replace(old, condition), tmp_path).components[1].target == expected


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            '"C" qual:transitionEffect="none"',
            '"C" qual:transitionEffect="consumption"',
            "to_A.*consumes or produces",
        ),
        ('"assignmentLevel"', '"production" qual:outputLevel="1"', "consumes or produces"),
        ("<qual:defaultTerm qual:resultLevel=\"0\"/>", "", "line.*[dD]efault"),
        ("<ci>B_x</ci>", "<ci>nowhere</ci>", "nowhere"),
        ('qualitativeSpecies="E"', 'qualitativeSpecies="A"', "is the second of 'A'"),
        ('qual:initialLevel="1"', 'qual:initialLevel="4"', "line.*[lL]evel|starts at 4"),
    ],
)  # fmt: skip
def test_every_fault_is_named(old: str, new: str, words: str, tmp_path: Path) -> None:
    text = logic_text(NETWORK)
    assert old in text
    with pytest.raises(DataError, match=words):
        read(text.replace(old, new, 1), tmp_path)


def test_reactions_and_logic_in_one_model_are_refused(tmp_path: Path) -> None:
    reaction = '<listOfReactions><reaction id="r" reversible="false" fast="false"><listOfProducts>'
    text = logic_text(NETWORK).replace(
        "    <qual:listOfQ",
        '<listOfSpecies><species id="S" compartment="cell" hasOnlySubstanceUnits="false" '
        'boundaryCondition="false" constant="false"/></listOfSpecies>'
        f'{reaction}<speciesReference species="S" constant="true"/></listOfProducts></reaction>'
        "</listOfReactions><qual:listOfQ",
    )
    with pytest.raises(DataError, match="both reactions and qualitative species"):
        read(text, tmp_path)


def test_text_of_a_logic_model_is_no_network_of_reactions() -> None:
    with pytest.raises(DataError, match="holds a logic model"):
        network_of(logic_text(NETWORK))


def test_rates_have_no_place() -> None:
    with pytest.raises(DataError, match="has no rates"):
        logic_text(replace(NETWORK, rates={"A": (1.0, 2.0)}))
