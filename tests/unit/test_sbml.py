"""SBML to networks: every Level's defaults, every kind of element, every fault by name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Number, Symbol, apply
from cellula.core.network import AssignmentRule, Network, Parameter, Participant
from cellula.io.sbml import Sbml, network_of

MATH = 'xmlns="http://www.w3.org/1998/Math/MathML"'


def level3(body: str, version: int = 2, attributes: str = "") -> str:
    place = f"http://www.sbml.org/sbml/level3/version{version}/core"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sbml xmlns="{place}" level="3" '
        f'version="{version}">\n<model id="m" {attributes}>\n{body}\n</model></sbml>'
    )


def level2(body: str, version: int = 4) -> str:
    place = f"http://www.sbml.org/sbml/level2/version{version}".removesuffix("/version1")
    return (
        f'<sbml xmlns="{place}" level="2" version="{version}"><model id="m">{body}</model></sbml>'
    )


def rule(formula: str, attributes: str = "") -> str:
    return level3(
        '<listOfParameters><parameter id="p" constant="false"/><parameter id="a" value="2" '
        'constant="true"/></listOfParameters><listOfRules><assignmentRule variable="p">'
        f"<math {MATH} {attributes}>{formula}</math></assignmentRule></listOfRules>"
    )


LEVEL_1 = """<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="1">
<model name="old"><listOfCompartments><compartment name="c"/></listOfCompartments>
<listOfSpecies><specie name="A" compartment="c" initialAmount="3"/>
<specie name="B" compartment="c" initialAmount="0" boundaryCondition="true"/></listOfSpecies>
<listOfParameters><parameter name="n" value="2"/><parameter name="f" value="1"/></listOfParameters>
<listOfRules><parameterRule name="f" formula="log(n)+sqr(n)+log10(n)+pow(n,3)"/></listOfRules>
<listOfReactions><reaction name="r">
<listOfReactants><specieReference specie="A" stoichiometry="3" denominator="2"/></listOfReactants>
<listOfProducts><specieReference specie="B"/></listOfProducts>
<kineticLaw formula="k * A"><listOfParameters><parameter name="k" value="0.5"/></listOfParameters>
</kineticLaw></reaction></listOfReactions></model></sbml>"""


@pytest.mark.requirement("S2")
def test_level_1() -> None:
    found = network_of(LEVEL_1)
    assert found.id == "old"
    assert found.compartments[0].size == 1.0
    assert found.species[0].initial == 3.0
    assert found.species[0].initial_is_amount
    assert not found.species[0].is_amount
    assert found.species[1].is_boundary
    assert [one.is_constant for one in found.parameters] == [True, False, True]
    assert found.parameters[2] == Parameter("r.k", 0.5)
    reaction = found.reactions[0]
    assert reaction.reactants == (Participant("A", 1.5),)
    assert reaction.rate == apply("times", Symbol("r.k"), Symbol("A"))
    n = Symbol("n")
    parts = [apply("ln", n), apply("power", n, 2), apply("log", 10, n), apply("power", n, 3)]
    assert isinstance(found.rules[0], AssignmentRule)
    values = found.rules[0].expression
    for part in parts:
        assert str(part) in str(values)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("<infinity/>", Number(math.inf)),
        ("<apply><minus/><infinity/></apply>", Number(-math.inf)),
        ("<notanumber/>", Number(math.nan)),
        ("<pi/>", Number(math.pi)),
        ("<exponentiale/>", Number(math.e)),
        ("<true/>", Number(1.0)),
        ('<cn type="e-notation">1.2<sep/>-3</cn>', Number(0.0012)),
        ('<cn type="rational">1<sep/>4</cn>', Number(0.25)),
        ("<apply><root/><ci>a</ci></apply>", apply("root", 2, Symbol("a"))),
        ("<apply><log/><ci>a</ci></apply>", apply("log", 10, Symbol("a"))),
        (
            "<apply><lt/><cn>1</cn><ci>a</ci><cn>3</cn></apply>",
            apply("lt", 1, Symbol("a"), 3),
        ),
        (
            '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t'
            "</csymbol>",
            TIME,
        ),
        (
            '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/avogadro">n'
            "</csymbol>",
            Number(6.02214179e23),
        ),
        ("<apply><quotient/><ci>a</ci><cn>3</cn></apply>", apply("quotient", Symbol("a"), 3)),
        (
            "<piecewise><piece><cn>1</cn><apply><gt/><ci>a</ci><cn>0</cn></apply></piece>"
            "</piecewise>",
            apply("piecewise", 1, apply("gt", Symbol("a"), 0)),
        ),
    ],
)
def test_formula(formula: str, expected: object) -> None:
    found = network_of(rule(formula)).rules[0]
    assert found.expression == expected


def test_a_function_called_as_one_of_ours_is_told_apart() -> None:
    """Before Level 3 Version 2 a model may define its own ``max``."""
    text = level3(
        f'<listOfFunctionDefinitions><functionDefinition id="max"><math {MATH}><lambda><bvar>'
        "<ci>x</ci></bvar><apply><plus/><ci>x</ci><cn>1</cn></apply></lambda></math>"
        "</functionDefinition></listOfFunctionDefinitions>"
        '<listOfParameters><parameter id="p" constant="false"/></listOfParameters><listOfRules>'
        f'<assignmentRule variable="p"><math {MATH}><apply><ci>max</ci><cn>1</cn></apply></math>'
        "</assignmentRule></listOfRules>"
    )
    found = network_of(text)
    assert found.functions[0].id == "max.function"
    assert found.rules[0].expression.function == "max.function"  # type: ignore[union-attr]


def test_a_deep_formula_is_refused_before_a_library_falls_over_it() -> None:
    deep = "<apply><sin/>" * 100_000 + "<ci>a</ci>" + "</apply>" * 100_000
    with pytest.raises(DataError, match="more than 1000 elements stand in one another"):
        network_of(rule(deep))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.sbml"):
        Sbml().read(tmp_path / "absent.sbml")


@pytest.mark.data
def test_models_of_the_benchmarks(data_dir: Path) -> None:
    found = Sbml().read(data_dir / "models/sbml/earm.xml")
    assert isinstance(found, Network)
    assert len(found.species) == 58
