"""Malformed study files: 900 cases through the parser and the command line, none a traceback."""

from __future__ import annotations

import copy
import math
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from malformed_cases import attempt, cases

from cellula.core.errors import StudyError
from cellula.testing.examples import ic50_table
from cellula.testing.malformed import damaged_bytes, damaged_text, damaged_tree, require_legible
from cellula.validation.study import parse_study, read_study

sys.path.append(str(Path(__file__).parents[1] / "unit"))

import itertools

from study_example import tree

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.name: path.read_bytes() for path in sorted((ROOT / "examples").glob("*.toml"))}
FULL = {
    **tree(),
    "governance": {},
    "rights": {},
    "explain": {"model": "linear", "perturbation": [{"id": "drug001"}]},
}


def parsed(content: bytes, name: str) -> None:
    """The file is a study, or the error says what is wrong with it."""
    try:
        study = parse_study(content, name)
    except StudyError as error:
        require_legible(error, name)
    else:
        assert len(study.hash) == 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of the study."""
    place = tmp_path_factory.mktemp("study")
    data = ic50_table()
    frame = data.obs.assign(value=data.dense()[:, 0])
    wide = frame.pivot(index="context", columns="perturbation", values="value")
    wide.rename_axis("line").reset_index().to_csv(place / "ic50.csv", index=False)
    return place


@pytest.mark.requirement("L5")
@cases(250)
@given(changed=damaged_tree(FULL))
def test_250_trees_are_parsed_or_refused(changed: dict) -> None:
    parsed(yaml.safe_dump(changed, allow_unicode=False).encode(), "s.yaml")


@cases(150)
@given(changed=damaged_tree(FULL))
def test_150_trees_are_checked_or_refused(folder: Path, changed: dict) -> None:
    (folder / "s.yaml").write_bytes(yaml.safe_dump(changed).encode())
    attempt(folder, ["check", folder / "s.yaml"])


@cases(150)
@given(
    changed=st.sampled_from(sorted(EXAMPLES)).flatmap(lambda name: damaged_bytes(EXAMPLES[name]))
)
def test_150_damaged_files_are_parsed_or_refused(changed: bytes) -> None:
    parsed(changed, "s.toml")


@cases(150)
@given(
    changed=st.sampled_from(sorted(EXAMPLES)).flatmap(
        lambda name: damaged_text(EXAMPLES[name], b" ")
    )
)
def test_150_damaged_lines_are_parsed_or_refused(changed: bytes) -> None:
    parsed(changed, "s.toml")


@cases(150)
@given(changed=damaged_text(yaml.safe_dump(FULL).encode(), b": "))
def test_150_damaged_lines_of_yaml_are_parsed_or_refused(changed: bytes) -> None:
    parsed(changed, "s.yaml")


@cases(50)
@given(changed=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
def test_50_files_of_noise_are_refused(changed: bytes) -> None:
    for name in ("s.yaml", "s.toml"):
        with pytest.raises(StudyError) as caught:
            parse_study(changed, name)
        require_legible(caught.value, name)


NAMES = "abcdefghij"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in itertools.pairwise(NAMES)
)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.yaml", BOMB, "alias"),
        ("s.yaml", "study: &a\n  id: *a\n", "alias"),
        ("s.yaml", "study: !!python/object/apply:os.system ['false']\n", "python/object"),
        ("s.yaml", "study: !!binary aGk=\n", "study"),
        ("s.yaml", "study: {id: a}\nstudy: {id: b}\n", "twice"),
        ("s.yaml", "study: 2020-13-45\n", "month"),
        ("s.yaml", "study: " + "1" * 5000, "digits"),
        ("s.yaml", "a: " + "[" * 20000, "deep"),
        ("s.toml", "a = " + "[" * 20000, "deep"),
        ("s.toml", "a = " + "1" * 5000, "digits"),
        ("s.toml", "study = 0x" + "f" * 5000, "64 bits"),
        ("s.toml", "a = 2020-13-45", "cannot be read"),
        ("s.toml", "\ufeff[study]", "study.id: missing"),
        ("s.toml", "", "mistake"),
        ("s.yaml", "", "NoneType"),
        ("s.yaml", "- a\n- b\n", "list"),
        ("s.txt", "", ".txt"),
    ],
)
def test_a_study_file_of_ill_will_is_refused(name: str, content: str, said: str) -> None:
    with pytest.raises(StudyError, match=said) as caught:
        parse_study(content.encode(), name)
    require_legible(caught.value, name)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**64, "\ud800", b"\xff", {"a"}, {1: 2}])
def test_an_option_that_has_no_canonical_form_is_refused_with_its_path(value: object) -> None:
    changed = copy.deepcopy(FULL)
    changed["model"][1]["options"] = {"alpha": value}
    with pytest.raises(StudyError) as caught:
        parse_study(yaml.safe_dump(changed).encode(), "s.yaml")
    assert "model.1.options.alpha" in str(caught.value)


def test_a_study_file_that_is_vast_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    with path.open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(StudyError, match="8,589,934,592 bytes") as caught:
        read_study(path)
    require_legible(caught.value, "s.toml")
    attempt(path.parent / "none", ["check", path], "s.toml")
