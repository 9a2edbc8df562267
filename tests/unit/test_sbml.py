"""SBML to networks: every Level's defaults, every kind of element, every fault by name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Number, Symbol, apply
from cellula.core.network import AssignmentRule, Network, Parameter, Participant
from cellula.io.sbml import Sbml, network_of, unit_mismatches

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


LEVEL_2 = level2(
    '<listOfUnitDefinitions><unitDefinition id="substance"><listOfUnits><unit kind="mole" '
    'scale="-3"/></listOfUnits></unitDefinition><unitDefinition id="minute"><listOfUnits>'
    '<unit kind="second" multiplier="60"/></listOfUnits></unitDefinition></listOfUnitDefinitions>'
    '<listOfCompartments><compartment id="c" size="1"/><compartment id="point" '
    'spatialDimensions="0"/></listOfCompartments><listOfSpecies><species id="A" compartment="c" '
    'initialConcentration="2"/><species id="B" compartment="point"/></listOfSpecies>'
    '<listOfParameters><parameter id="n" value="1" constant="false"/></listOfParameters>'
    '<listOfReactions><reaction id="r"><listOfReactants><speciesReference species="A"/>'
    '</listOfReactants><listOfProducts><speciesReference species="B"><stoichiometryMath>'
    f"<math {MATH}><apply><times/><cn>2</cn><ci>n</ci></apply></math></stoichiometryMath>"
    '</speciesReference></listOfProducts><kineticLaw substanceUnits="mole" timeUnits="minute">'
    f"<math {MATH}><apply><times/><ci>k</ci><ci>A</ci></apply></math><listOfParameters>"
    '<parameter id="k" value="3"/></listOfParameters></kineticLaw></reaction></listOfReactions>'
    f'<listOfEvents><event timeUnits="minute"><trigger><math {MATH}><apply><gt/><ci>A</ci>'
    f"<cn>1</cn></apply></math></trigger><delay><math {MATH}><cn>2</cn></math></delay>"
    f'<listOfEventAssignments><eventAssignment variable="n"><math {MATH}><cn>2</cn></math>'
    "</eventAssignment></listOfEventAssignments></event></listOfEvents>",
    version=1,
)


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


def test_level_2_defaults() -> None:
    found = network_of(LEVEL_2)
    assert found.units["substance"] == "0.001 mole"
    assert found.units["time"] == "second"
    assert [one.is_amount for one in found.species] == [False, True]
    assert found.species[1].initial is None
    reaction = found.reactions[0]
    assert reaction.is_reversible
    k, a = Symbol("r.k"), Symbol("A")
    law = apply("times", k, a)
    assert reaction.rate == apply("times", 1e3 / 60, law)  # mole per minute, in mmol per second
    assert reaction.products[0] == Participant("B", None, "r.B", False)
    assert found.rules[0] == AssignmentRule("r.B", apply("times", 2, Symbol("n")))
    event = found.events[0]
    assert (event.id, event.is_persistent, event.initial_trigger) == ("event", True, True)
    assert event.uses_trigger_values
    assert event.delay == apply("times", 60.0, Number(2.0))


def test_local_parameters_get_ids_of_their_own() -> None:
    law = (
        f"<kineticLaw><math {MATH}><ci>k</ci></math><listOfLocalParameters>{{}}"
        "</listOfLocalParameters></kineticLaw>"
    )
    text = level3(
        '<listOfParameters><parameter id="k" value="9" constant="true"/></listOfParameters>'
        '<listOfReactions><reaction id="r" reversible="false">'
        + law.format('<localParameter id="k" value="1"/>')
        + '</reaction><reaction id="s" reversible="false">'
        + law.format('<localParameter id="k" value="2"/>')
        + "</reaction></listOfReactions>"
    )
    found = network_of(text)
    assert {one.id: one.value for one in found.parameters} == {"k": 9, "r.k": 1, "s.k": 2}
    assert [one.rate for one in found.reactions] == [Symbol("r.k"), Symbol("s.k")]


@pytest.mark.requirement("S2")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (level3("<listOfSpecies>"), ["line", "not well-formed XML"]),
        ("<html><body/></html>", ["<html>", "expected <sbml>"]),
        (rule("<ci>nowhere</ci>"), ["line", "nowhere"]),
        (rule("<apply><divide/><ci>a</ci></apply>"), ["line 4", "number of arguments"]),
        (rule("<apply><ci>f</ci><ci>a</ci></apply>"), ["line", "f"]),
        (
            level3(
                '<listOfSpecies><species id="A" compartment="c" hasOnlySubstanceUnits="false" '
                'boundaryCondition="false" constant="false"/></listOfSpecies>'
            ),
            ["line", "compartment"],
        ),
        (
            level3('<listOfParameters><parameter id="a" constant="true"/>'
                   '<parameter id="a" constant="true"/></listOfParameters>'),
            ["line", "a"],
        ),
        (
            level3("").replace(
                'level="3"',
                'xmlns:spatial="http://www.sbml.org/sbml/level3/version1/spatial/version1" '
                'spatial:required="true" level="3"',
            ),
            ["line 2", "'spatial'", "cannot be represented"],
        ),
        (
            level3("").replace(
                'level="3"', 'xmlns:odd="http://example.org/odd" odd:required="true" level="3"'
            ),
            ["http://example.org/odd"],
        ),
        ('<!DOCTYPE sbml [<!ENTITY a "b">]>' + level3("").partition("?>\n")[2], ["entity 'a'"]),
        (level3("").partition("<model")[0] + "</sbml>", ["model"]),
    ],
)  # fmt: skip
def test_every_fault_is_named(text: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        network_of(text)
    for word in words:
        assert word in str(caught.value)


def test_submodels_are_put_together() -> None:
    package = "http://www.sbml.org/sbml/level3/version1/comp/version1"
    text = level3(
        '<comp:listOfSubmodels><comp:submodel comp:id="one" comp:modelRef="part"/>'
        '<comp:submodel comp:id="two" comp:modelRef="part"/></comp:listOfSubmodels>',
    ).replace('level="3"', f'xmlns:comp="{package}" comp:required="true" level="3"')
    part = (
        '<comp:listOfModelDefinitions><comp:modelDefinition id="part"><listOfParameters>'
        '<parameter id="k" value="3" constant="true"/></listOfParameters></comp:modelDefinition>'
        "</comp:listOfModelDefinitions></sbml>"
    )
    found = network_of(text.replace("</sbml>", part))
    assert {one.id: one.value for one in found.parameters} == {"one__k": 3.0, "two__k": 3.0}


def test_units_that_do_not_fit_together_are_told(tmp_path: Path) -> None:
    units = (
        '<listOfUnitDefinitions><unitDefinition id="pace"><listOfUnits><unit kind="metre" '
        'exponent="1" scale="0" multiplier="1"/></listOfUnits></unitDefinition>'
        '</listOfUnitDefinitions><listOfParameters><parameter id="p" units="second" '
        'constant="false"/><parameter id="a" value="1" units="pace" constant="true"/>'
        f'</listOfParameters><listOfRules><assignmentRule variable="p"><math {MATH}><ci>a</ci>'
        "</math></assignmentRule></listOfRules>"
    )
    path = tmp_path / "m.sbml"
    path.write_text(level3(units))
    found = unit_mismatches(path)
    assert len(found) == 1
    assert found[0].startswith("line ")
    assert Sbml().read(path).parameters[1].unit == "metre"  # type: ignore[union-attr]
    path.write_text(level3(units.replace('units="second"', 'units="pace"')))
    assert unit_mismatches(path) == ()


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
