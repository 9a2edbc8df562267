"""Boolean networks are read and written in .bnet."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import Number, Symbol, apply
from cellula.core.logic import Component, LogicNetwork
from cellula.io.bnet import Bnet, parse_rule

TEXT = """# a remark
targets, factors
NF-kB, !I_kB & (TNF | IL-1/R)
I_kB, NF-kB | 0
TNF, TNF
"""


def made(folder: Path, text: str = TEXT) -> Path:
    path = folder / "net.bnet"
    path.write_text(text)
    return path


@pytest.mark.requirement("S2", "S3")
def test_rules_inputs_and_odd_names(tmp_path: Path) -> None:
    found = Bnet().read(made(tmp_path))
    assert found.id == "net"
    assert found.ids == ("NF-kB", "I_kB", "TNF", "IL-1/R")
    inputs = [one.id for one in found.components if one.target is None]
    assert inputs == ["TNF", "IL-1/R"]
    either = apply("or", Symbol("TNF"), Symbol("IL-1/R"))
    assert found.components[0].target == apply("and", apply("not", Symbol("I_kB")), either)
    assert found.components[1].target == apply("or", Symbol("NF-kB"), Number(0.0))


def test_and_binds_tighter_than_or_and_depth_has_no_bound() -> None:
    a, b, c = map(Symbol, "abc")
    assert parse_rule("a | b & !c") == apply("or", a, apply("and", b, apply("not", c)))
    assert parse_rule("a & b & c") == apply("and", a, b, c)
    assert parse_rule("(" * 5000 + "a" + ")" * 5000) == a


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a b\n", "line 1: 'a b' is no 'target, rule'"),
        ("a, b &\n", "ends too early"),
        ("a, (b | c\n", "not closed"),
        ("a, b)\n", "not opened"),
        ("a, b c\n", "expected '&', '|' or '\\)', not 'c'"),
        ("a, b & | c\n", "expected a name"),
        ("a, b, c\n", "an operator or a name"),
        ("a, b\na, c\n", "line 2: 'a' has a rule already"),
        ("1, b\n", "no 'target, rule'"),
        ("targets, factors\n", "no component"),
    ],
)
def test_what_is_no_network_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told.replace("|", "\\|")) as caught:
        Bnet().read(made(tmp_path, text))
    assert "net.bnet" in str(caught.value)


def test_what_was_written_is_read_back_equal(tmp_path: Path) -> None:
    network = Bnet().read(made(tmp_path))
    Bnet().write(network, tmp_path / "net.bnet")
    assert Bnet().read(tmp_path / "net.bnet") == network


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (Component("a", None, 2), "cannot hold the levels"),
        (Component("a b", None), "cannot be a name"),
        (Component("a", apply("eq", Symbol("a"), 1)), "has 'eq'"),
        (Component("a", Number(2.0)), "knows 0 and 1"),
    ],
)
def test_what_bnet_cannot_hold_is_refused(tmp_path: Path, one: Component, told: str) -> None:
    with pytest.raises(DataError, match=told):
        Bnet().write(LogicNetwork("n", (one,)), tmp_path / "n.bnet")
    assert not list(tmp_path.iterdir())


@pytest.mark.data
def test_the_published_networks(data_dir: Path, tmp_path: Path) -> None:
    paths = sorted((data_dir / "models" / "boolean").glob("*.bnet"))
    assert len(paths) == 60
    for path in paths:
        network = Bnet().read(path)
        Bnet().write(network, tmp_path / path.name)
        again = Bnet().read(tmp_path / path.name)
        assert again == network
