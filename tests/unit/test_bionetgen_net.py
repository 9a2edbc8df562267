"""Networks of BioNetGen: read with every rate law, written and read back, damage named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.evaluation import evaluate
from cellula.core.network import AssignmentRule, Event, Network, Parameter
from cellula.io.bionetgen_net import BioNetGenNet
from cellula.io.bionetgen_writer import BioNetGenNetWriter
from cellula.io.infix import parse

WHOLE = r"""# Created by BioNetGen 2.9.3
substanceUnits("Number");
begin parameters
    1 kon     0.1  # Constant
    2 koff    2*kon  # ConstantExpression
    3 L0      100
end parameters
begin functions
    1 brake() kon/(1+bound)
    2 wave() brake()*time()
end functions
begin compartments
  EC 3 L0/50
  PM 2 0.5 EC
end compartments
begin species
    1 @EC:L(r) L0
    2 $R(l,y~U) 20
    3 @PM::L(r!1).R(l!1) 0
end species
begin reaction rules
  Rule1: \
  L(r) + R(l) -> L(r!1).R(l!1)  kon
end reaction rules
begin reactions
    1 1,2 3 0.5*kon #Rule1
    2 3 1,2 koff #_reverse_Rule1
    3 1,1 0 kon
    4 0 1 brake
    5 3 2 wave
end reactions
begin groups
    1 bound                3
    2 ligand               1,2*3
end groups
"""
LAWS = WHOLE.replace("    4 0 1 brake\n    5 3 2 wave\n", "    4 1,2 3 {}\n")
AT = {"S1": 100.0, "S2": 20.0, "S3": 5.0, "kon": 0.1, "koff": 0.2, "L0": 100.0}


def read(text: str, folder: Path) -> Network:
    path = folder / "binding.net"
    path.write_text(text)
    return BioNetGenNet().read(path)


@pytest.mark.requirement("S2", "S3")
def test_a_network_is_read_whole(tmp_path: Path) -> None:
    found = read(WHOLE, tmp_path)
    ligand, receptor, _ = found.species
    assert (ligand.id, ligand.name, ligand.compartment) == ("S1", "@EC:L(r)", "EC")
    assert ligand.is_amount
    assert (ligand.initial, found.initial["S1"]) == (None, parse("L0"))
    assert (receptor.name, receptor.is_boundary, receptor.initial) == ("R(l,y~U)", True, 20.0)
    assert found.initial["koff"] == parse("2 * kon")
    assert [one.id for one in found.compartments] == ["EC", "PM", "cell"]
    rules = {one.target: one.expression for one in found.rules if isinstance(one, AssignmentRule)}
    assert rules["ligand"] == parse("S1 + 2 * S3")
    assert rules["wave"] == parse("brake * time")
    first, _, pair, birth, _ = found.reactions
    assert (first.id, first.name, first.is_reversible) == ("R1", "Rule1", False)
    assert pair.reactants[0].stoichiometry == 2
    assert (birth.rate, birth.reactants) == (parse("brake"), ())
    assert float(evaluate(pair.rate, AT, 0.0)) == pytest.approx(0.1 * 100 * 100)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("law", "rate"),
    [
        ("3.5", 3.5 * 100 * 20),
        ("0.5*kon", 0.05 * 100 * 20),
        ("Sat koff L0", 0.2 * 100 * 20 / 200),
        ("Hill koff L0 2", 0.2 * 100**2 / (2 * 100**2) * 20),
        ("MM koff L0", 0.2 * 20 * (free := (-20 + np.sqrt(400 + 4e4)) / 2) / (100 + free)),
    ],
)
def test_rate_laws(law: str, rate: float, tmp_path: Path) -> None:
    found = read(LAWS.format(law), tmp_path).reactions[-1].rate
    assert found is not None
    assert float(evaluate(found, AT, 0.0)) == pytest.approx(rate)


def test_ids_that_are_taken_are_avoided(tmp_path: Path) -> None:
    named = WHOLE.replace("1 kon ", "1 S1 ").replace("kon", "S1").replace("1 bound", "1 L0")
    found = read(named.replace("1+bound", "1+ligand"), tmp_path)
    assert found.species[0].id == "species1"
    assert "observable_L0" in found.ids


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        ("    3 1,1 0 kon", "    3 1,9 0 kon", "line 28: no species '9'; there are 1 to 3"),
        ("    3 1,1 0 kon", "    3 1,1", "line 28: '3 1,1' is no line of reactions"),
        ("    3 1,1 0 kon", "    3 1,1 0 FunctionProduct a b", "line 28: .* 'FunctionProduct'"),
        ("    3 1,1 0 kon", "    3 1,1 0 MM kon", "line 28: MM with 1 constant"),
        ("kon/(1+bound)", "tfun('a.tfun',time)", "line 9: formula"),
        ("kon/(1+bound)", "mratio(1,2,3)", "line 9: .*no function 'mratio'"),
        ("1+bound", "1+nobody", "names 'nobody'"),
        ("brake() kon", "brake(x) kon", "function 'brake' has arguments"),
        ("    2 $R", "    3 $R", "species 3; expected number 2"),
        ("end species", "end", "end of '' in block 'species'"),
        ("begin groups", "begin teams", "line 32: a block 'teams'"),
        ("end groups\n", "", "the block 'groups' of line 32 has no end"),
        ("1,2*3", "1,x*3", "'x' is no number"),
        ("begin species", "begin molecule types", "end of 'species'"),
    ],
)
def test_damage_is_named(found: str, instead: str, words: str, tmp_path: Path) -> None:
    assert WHOLE.count(found) == 1
    with pytest.raises(DataError, match=words):
        read(WHOLE.replace(found, instead), tmp_path)


def test_another_file_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"binding\.net has no block of species"):
        read("begin parameters\n 1 a 1\nend parameters\n", tmp_path)


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    found = read(WHOLE, tmp_path)
    BioNetGenNetWriter().write(found, tmp_path / "binding.net")
    assert BioNetGenNet().read(tmp_path / "binding.net") == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"events": (Event("e", parse("time > 1"), {}),)}, "has events"),
        ({"parameters": (Parameter("a.b", 1.0),)}, "'a.b' is no name"),
        ({"parameters": (Parameter("a", None),)}, "'a' has no value"),
    ],
)
def test_what_the_format_lacks_is_refused(change: dict, words: str, tmp_path: Path) -> None:  # type: ignore[type-arg]
    whole = read(WHOLE, tmp_path)
    kept = {"rules": (), "reactions": (), "initial": {}, **change}
    with pytest.raises(DataError, match=words):
        BioNetGenNetWriter().write(replace(whole, **kept), tmp_path / "new.net")
    assert not (tmp_path / "new.net").exists()
