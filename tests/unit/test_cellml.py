"""CellML to networks: connected variables, units between components, faults by name."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply, walk
from cellula.core.network import AssignmentRule, Network, Parameter, RateRule
from cellula.io.cellml import CellMl

MATH = 'xmlns="http://www.w3.org/1998/Math/MathML" xmlns:cellml="http://www.cellml.org/cellml/2.0#"'
RATE = "<apply><diff/><bvar><ci>t</ci></bvar><ci>{0}</ci></apply>"
UNITS = (
    '<units name="mV"><unit units="volt" prefix="milli"/></units>'
    '<units name="ms"><unit units="second" prefix="milli"/></units>'
    '<units name="per_ms"><unit units="ms" exponent="-1"/></units>'
    '<units name="volt_per_s"><unit units="volt"/><unit units="second" exponent="-1"/></units>'
)


def model(body: str) -> str:
    return (
        '<?xml version="1.0"?><model xmlns="http://www.cellml.org/cellml/2.0#" name="m">'
        f"{UNITS}{body}</model>"
    )


def equation(left: str, right: str) -> str:
    return f"<math {MATH}><apply><eq/>{left}{right}</apply></math>"


DECAY = model(
    '<component name="a"><variable name="t" units="ms"/><variable name="V" units="mV" '
    'initial_value="3"/><variable name="k" units="per_ms" initial_value="0.5"/>'
    + equation(
        RATE.format("V"),
        "<apply><times/><apply><minus/><ci>k</ci></apply><ci>V</ci></apply>",
    )
    + "</component>"
)


def connected(there: str, unit: str = "volt", time: str = "ms", more: str = "") -> str:
    return model(
        '<component name="a"><variable name="t" units="ms" interface="public"/>'
        '<variable name="V" units="mV" interface="public"/>'
        + equation(RATE.format("V"), "<apply><minus/><ci>V</ci></apply>").replace(
            "<apply><minus/><ci>V</ci></apply>",
            '<apply><divide/><ci>V</ci><cn cellml:units="ms">2</cn></apply>',
        )
        + f'</component><component name="b"><variable name="t" units="{time}" interface="public"/>'
        f'<variable name="V" units="{unit}" interface="public" initial_value="0.003"/>'
        f'<variable name="y" units="{unit}"/>{there}</component>{more}'
        '<connection component_1="a" component_2="b"><map_variables variable_1="t" '
        'variable_2="t"/><map_variables variable_1="V" variable_2="V"/></connection>'
    )


def read(text: str, folder: Path) -> Network:
    path = folder / "m.cellml"
    path.write_text(text)
    return CellMl().read(path)


@pytest.mark.requirement("S2")
def test_a_state_and_a_constant(tmp_path: Path) -> None:
    found = read(DECAY, tmp_path)
    assert found.parameters == (
        Parameter("a.V", 3.0, is_constant=False, unit="0.001 volt"),
        Parameter("a.k", 0.5, unit="(0.001 second)^-1"),
    )
    rate = apply("times", apply("minus", Symbol("a.k")), Symbol("a.V"))
    assert found.rules == (RateRule("a.V", rate),)
    assert found.units == {"time": "0.001 second"}


def test_connected_variables_are_one_and_units_are_converted(tmp_path: Path) -> None:
    there = equation(
        "<ci>y</ci>",
        '<apply><times/><cn cellml:units="dimensionless">2</cn><ci>V</ci></apply>',
    )
    found = read(connected(there), tmp_path)
    values = {one.id: one.value for one in found.parameters}
    owner = "a.V" if "a.V" in values else "b.V"
    start = 3.0 if owner == "a.V" else 0.003
    assert values[owner] == pytest.approx(start)
    state = {owner: values[owner]}
    rules = {rule.target: rule.expression for rule in found.rules}  # type: ignore[union-attr]
    assert value(rules["b.y"], state) == pytest.approx(0.006)  # volt
    assert value(rules[owner], state) == pytest.approx(start / 2)  # per ms


def test_a_rate_in_another_unit_of_time_is_refused(tmp_path: Path) -> None:
    there = equation("<ci>y</ci>", RATE.format("V"))
    text = connected(there, time="second").replace(
        'name="y" units="volt"', 'name="y" units="volt_per_s"'
    )
    with pytest.raises(DataError, match="use one unit of time"):
        read(text, tmp_path)


def test_formulas(tmp_path: Path) -> None:
    one = '<cn cellml:units="dimensionless">{}</cn>'
    pieces = "".join(
        f"<piece>{one.format(value)}<apply><gt/><ci>x</ci>{one.format(bound)}</apply></piece>"
        for value, bound in ((3, 2), (2, 1))
    )
    formulas = {
        "p": f"<piecewise>{pieces}<otherwise>{one.format(7)}</otherwise></piecewise>",
        "q": f"<apply><root/><degree>{one.format(3)}</degree><ci>x</ci></apply>",
        "r": f"<apply><log/><logbase>{one.format(2)}</logbase><ci>x</ci></apply>",
        "s": f"<apply><plus/><ci>x</ci>{one.format(1)}{one.format(2)}<pi/></apply>",
        "u": "<apply><root/><ci>x</ci></apply>",
        "w": "<apply><log/><ci>x</ci></apply>",
        "z": "<apply><times/><ci>x</ci><ci>x</ci></apply>",
    }
    variables = "".join(f'<variable name="{name}" units="dimensionless"/>' for name in formulas)
    body = "".join(equation(f"<ci>{name}</ci>", formula) for name, formula in formulas.items())
    text = model(
        '<component name="a"><variable name="x" units="dimensionless" initial_value="1.5"/>'
        f'<variable name="v" units="dimensionless" initial_value="x"/>{variables}{body}</component>'
    )
    found = read(
        text.replace('<variable name="v" units="dimensionless" initial_value="x"/>', ""), tmp_path
    )
    rules = {rule.target: rule.expression for rule in found.rules}  # type: ignore[union-attr]
    x = Symbol("a.x")
    pieces_of = apply("piecewise", 3, apply("gt", x, 2), 2, apply("gt", x, 1), 7)
    assert rules["a.p"] == pieces_of
    assert rules["a.q"] == apply("root", 3, x)
    assert rules["a.r"] == apply("log", 2, x)
    assert rules["a.s"] == apply("plus", x, 1, 2, math.pi)
    assert rules["a.u"] == apply("root", 2, x)
    assert rules["a.w"] == apply("log", 10, x)
    assert all(isinstance(rule, AssignmentRule) for rule in found.rules)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DECAY.replace("</model>", ""), ["line 1", "not well-formed"]),
        (DECAY.replace("<model", "<modell").replace("</model", "</modell"), ["<modell>"]),
        (DECAY.replace(' initial_value="0.5"', ""), ["cannot be simulated"]),
        (DECAY.replace('units="volt" prefix', 'units="nowhere" prefix'), ["'mV'", "'nowhere'"]),
        (DECAY.replace("<times/>", ""), ["line 1", "expected an operator"]),
        (DECAY.replace('units="volt" prefix', 'units="mV" prefix'), ["'mV' is made of itself"]),
        (DECAY.replace('<ci>k</ci>', "<ci>nowhere</ci>"), ["nowhere"]),
        (
            DECAY.replace(
                "</model>",
                '<import xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="absent.cellml">'
                '<component name="c" component_ref="d"/></import></model>',
            ),
            ["imports what is not there", "absent.cellml"],
        ),
    ],
)  # fmt: skip
def test_every_fault_is_named(text: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(text, tmp_path)
    for word in ["m.cellml", *words]:
        assert word in str(caught.value)


def test_an_import_is_put_in_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "part.cellml").write_text(DECAY)
    text = (
        '<?xml version="1.0"?><model xmlns="http://www.cellml.org/cellml/2.0#" name="m">'
        '<import xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="part.cellml">'
        '<component name="mine" component_ref="a"/></import></model>'
    )
    assert {one.id for one in read(text, tmp_path).parameters} == {"mine.V", "mine.k"}


#: File -> (states, all variables), as myokit counts the states.
SIZES = {
    "ToRORd_dynCl_epi": 45,
    "beeler_reuter_model_1977": 8,
    "grandi_pasqualini_bers_2010_ss": 39,
    "hodgkin_huxley_squid_axon_model_1952_modified": 4,
    "luo_rudy_1991": 8,
    "ohara_rudy_cipa_v1_2017": 48,
    "paci_hyttinen_aaltosetala_severi_ventricularVersion": 18,
    "ten_tusscher_model_2006_epi": 19,
}


@pytest.mark.data
@pytest.mark.requirement("S2")
@pytest.mark.parametrize("name", SIZES)
def test_cardiac_models(name: str, data_dir: Path) -> None:
    found = CellMl().read(data_dir / f"models/cellml/{name}.cellml")
    rates = [rule for rule in found.rules if isinstance(rule, RateRule)]
    assert len(rates) == SIZES[name]
    values = start(found)
    changes = {rule.target: value(rule.expression, values) for rule in rates}
    assert all(math.isfinite(change) for change in changes.values())
    assert any(changes.values())


def start(network: Network) -> dict[str, float]:
    """Every variable at time 0, assignment rules in an order that they allow."""
    values = {one.id: one.value for one in network.parameters if one.value is not None}
    pending = [rule for rule in network.rules if isinstance(rule, AssignmentRule)]
    while pending:
        ready = [rule for rule in pending if named(rule.expression) <= values.keys()]
        assert ready
        for rule in ready:
            values[rule.target] = value(rule.expression, values)
        pending = [rule for rule in pending if rule.target not in values]
    return values


def named(expression: Expression) -> set[str]:
    return {node.id for node in walk(expression) if isinstance(node, Symbol)}


def value(expression: Expression, values: dict[str, float]) -> float:
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Symbol):
        return values[expression.id]
    if expression == TIME:
        return 0.0
    parts = [value(one, values) for one in expression.arguments]
    return computed(expression, parts)


FUNCTIONS: dict[str, Callable[..., float]] = {
    "plus": lambda *parts: sum(parts),
    "times": lambda *parts: math.prod(parts),
    "minus": lambda *parts: -parts[0] if len(parts) == 1 else parts[0] - parts[1],
    "divide": lambda a, b: a / b,
    "power": lambda a, b: a**b,
    "root": lambda degree, a: a ** (1 / degree),
    "log": lambda base, a: math.log(a, base),
    "ln": math.log,
    "abs": abs,
    "and": lambda *parts: all(parts),
    "or": lambda *parts: any(parts),
    **{name: getattr(operator, name) for name in ("lt", "gt", "eq")},
    "leq": operator.le,
    "geq": operator.ge,
    "exp": math.exp,
    "floor": math.floor,
    "tanh": math.tanh,
    "sqrt": math.sqrt,
}


def computed(expression: Apply, parts: list[float]) -> float:
    if expression.function == "piecewise":
        pieces = zip(parts[::2], parts[1::2], strict=False)
        return next((value for value, holds in pieces if holds), parts[-1])
    return float(FUNCTIONS[expression.function](*parts))
