"""Networks to SBML: the same bytes, every number exact, ids that SBML lacks, levels that cannot."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import libsbml
import pytest

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Number, Symbol, apply
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
from cellula.io.sbml import Sbml, network_of, sbml_ids, sbml_text
from cellula.testing.simulator import decay

A, k = Symbol("A"), Symbol("k 1")

WHOLE = Network(
    "a model",
    (Compartment("cell", 0.1 + 0.2, unit="litre"), Compartment("skin", None, False, 2.0)),
    (
        Species("A", "cell", 1e-9, is_amount=True, unit="1e-09 mole"),
        Species("B", "skin", None, conversion_factor="k 1", is_boundary=True),
        Species("C", "cell", math.nan, initial_is_amount=True, is_constant=True),
    ),
    (
        Parameter("k 1", 1 / 3, unit="1e-09 mole * (60.0 second)^-1"),
        Parameter("k_1", -math.inf, unit="furlong"),
        Parameter("p", None, is_constant=False),
        Parameter("x", 0.0, is_constant=False),
        Parameter("y", 2.0, is_constant=False),
    ),
    (
        Reaction(
            "r",
            (Participant("A", 2.0), Participant("A", None, "n", False)),
            (Participant("B", 0.5),),
            apply("times", k, A),
            ("C",),
            is_reversible=False,
            name='A "name" & more <',
        ),
    ),
    (
        AssignmentRule("p", apply("piecewise", Number(math.nan), apply("lt", TIME, 1e-3), k)),
        RateRule("x", apply("rate_of", A)),
        AlgebraicRule(apply("minus", Symbol("y"), apply("max", A, 1, 2))),
    ),
    (
        Event(
            "r",
            apply("and", apply("gt", A, 1), Number(1.0)),
            {"n": apply("delay", A, 2), "y": Number(-math.inf)},
            delay=Number(1.5),
            priority=A,
            is_persistent=False,
            initial_trigger=False,
            uses_trigger_values=False,
        ),
    ),
    (Function("max.function", ("x",), apply("root", 3, Symbol("x"))),),
    {"skin": apply("log", 2, k), "n": Number(3.0)},
    (Constraint(apply("geq", A, 0), "A < 0 is nothing"),),
    "k_1",
    {"time": "second", "extent": "item", "substance": "1e-09 mole"},
)


@pytest.mark.requirement("S2")
def test_everything_is_read_back_equal() -> None:
    text = sbml_text(WHOLE)
    assert network_of(text) == WHOLE
    assert sbml_text(WHOLE) == text
    assert 'size="0.30000000000000004"' in text


def test_ids_that_sbml_does_not_allow() -> None:
    ids = sbml_ids(WHOLE)
    assert ids["k_1"] == "k_1"
    assert ids["k 1"] == "k_1_2"
    assert ids["max.function"] == "max_function"
    document = libsbml.readSBMLFromString(sbml_text(WHOLE))
    assert document.getModel().getParameter("k_1_2").getValue() == 1 / 3


@pytest.mark.parametrize("version", [(3, 1), (2, 4), (2, 5)])
def test_an_earlier_level_says_the_same_or_refuses(version: tuple[int, int]) -> None:
    assert network_of(sbml_text(decay(), *version)).reactions == decay().reactions
    with pytest.raises(DataError, match=f"Level {version[0]} Version {version[1]}|Version 2"):
        sbml_text(WHOLE, *version)


def test_an_earlier_level_keeps_truths_and_numbers_apart() -> None:
    truth = apply("gt", Symbol("k"), 0)
    rules = (
        AssignmentRule("p", apply("plus", truth, 1)),
        AssignmentRule("q", apply("piecewise", 1, Symbol("k"), 2)),
    )
    more = (Parameter("p", None, False), Parameter("q", None, False))
    given = replace(decay(), parameters=(*decay().parameters, *more), rules=rules)
    found = network_of(sbml_text(given, 3, 1))  # libsbml refuses what mixes them
    assert found.rules[0].expression == apply("plus", apply("piecewise", 1, truth, 0), 1)
    condition = apply("neq", Symbol("k"), 0)
    assert found.rules[1].expression == apply("piecewise", 1, condition, 2)


def test_a_fast_reaction_is_written_as_version_1() -> None:
    fast = tuple(replace(one, is_fast=True) for one in decay().reactions)
    given = replace(decay(), reactions=fast)
    assert 'level="3" version="1"' in sbml_text(given)
    assert network_of(sbml_text(given)) == given
    with pytest.raises(DataError, match="reaction 'decay' is fast"):
        sbml_text(given, 3, 2)


@pytest.mark.parametrize(
    ("network", "level", "words"),
    [
        (decay(), (1, 2), "SBML 1.2 is not written"),
        (replace(decay(), conversion_factor="k"), (2, 4), "conversion factor 'k'"),
        (replace(decay(), compartments=(Compartment("cell", 1.0, True, 2.5),)), (2, 4), "2.5"),
        (
            replace(decay(), events=(Event("e", apply("gt", TIME, 1), {}, priority=TIME),)),
            (2, 4),
            "event 'e' has a priority",
        ),
        (replace(decay(), functions=(Function("f", ("x y",), TIME),)), (3, 2), "'x y'"),
        (
            replace(decay(), reactions=(replace(decay().reactions[0], name="a\0b"),)),
            (3, 2),
            "character",
        ),
    ],
)
def test_what_cannot_be_written_is_named(
    network: Network, level: tuple[int, int], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        sbml_text(network, *level)


def test_files(tmp_path: Path) -> None:
    for name in ("decay.sbml", "decay.sbml.gz"):
        Sbml().write(decay(), tmp_path / name)
        assert Sbml().read(tmp_path / name) == decay()
    assert gzip.decompress((tmp_path / "decay.sbml.gz").read_bytes()) == sbml_text(decay()).encode()
    with pytest.raises(DataError, match="found str"):
        Sbml().write("words", tmp_path / "x.sbml")


@pytest.mark.data
@pytest.mark.requirement("S2")
def test_a_sample_of_the_test_suite(data_dir: Path) -> None:
    """Every 15th model; all of them in tests/benchmark."""
    with ZipFile(data_dir / "models/sbml_suite_semantic.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".xml"))
        for name in names[::15]:
            text = archive.read(name).decode()
            if "comp:source=" in text:
                continue  # a model in a file that the archive does not have
            whole = network_of(text)
            assert network_of(sbml_text(whole)) == whole, name
