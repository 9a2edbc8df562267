"""The study file: parsed whole, its schema, YAML beside TOML, canonical bytes, mistakes listed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cellula.core.canonical import canonical_json, hash_bytes
from cellula.core.errors import StudyError
from cellula.validation.study import Study, json_schema, parse_study, read_study

GOLDEN = Path(__file__).parents[1] / "golden" / "study.toml"
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.toml"))


def tree() -> dict[str, Any]:
    return tomllib.loads(GOLDEN.read_text())


def turned(value: Any) -> Any:
    """The same value with the keys of every table in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(item) for key, item in reversed(value.items())}
    return [turned(item) for item in value] if isinstance(value, list) else value


def as_yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, sort_keys=False).encode()


def mistakes(change: Callable[[dict[str, Any]], object]) -> tuple[str, ...]:
    """The mistakes that are listed after a change of the golden study."""
    wrong = tree()
    change(wrong)
    with pytest.raises(StudyError) as caught:
        parse_study(as_yaml(wrong), "study.yaml")
    assert str(caught.value).startswith(f"study.yaml has {len(caught.value.mistakes)} mistake(s):")
    return caught.value.mistakes


@pytest.mark.requirement("L5", "R6")
def test_the_golden_study_parses() -> None:
    study = read_study(GOLDEN)
    assert study.study.id == "ifnb-pbmc-01"
    assert study.claim[0].hold_out == "each"
    assert study.claim[0].gate[0].space == "pca50"
    assert study.model[0].seeds == (1, 2, 3)
    assert study.application is not None
    assert study.application.advance.top == 10
    assert study.middle is not None
    assert study.middle.test.min_effect == 1.0
    assert study.outer is not None
    assert study.outer.bands == {"unseen_cell_line": (0.3, 1.2)}
    assert study.governance.fairness is not None
    assert study.rights.end_user == "..."


@pytest.mark.parametrize("path", [GOLDEN, *EXAMPLES], ids=lambda path: path.stem)
def test_the_schema_accepts_what_the_parser_accepts(path: Path) -> None:
    read_study(path)
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(path.read_text()), schema)


@pytest.mark.parametrize(
    "place",
    ["", "study", "context_of_use", "boundary", "middle.test", "governance.privacy", "rights"],
)
def test_an_unknown_key_is_refused_by_schema_and_parser(place: str) -> None:
    wrong = tree()
    table = wrong
    for part in filter(None, place.split(".")):
        table = table[part]
    table["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(wrong, json_schema())
    with pytest.raises(StudyError) as caught:
        parse_study(as_yaml(wrong), "study.yaml")
    assert caught.value.mistakes == (f"{place}.surprise: unknown key".lstrip("."),)


def test_yaml_equals_toml() -> None:
    by_toml = parse_study(GOLDEN.read_bytes(), "a.toml")
    for name in ("b.yaml", "b.yml", "B.YAML"):
        by_yaml = parse_study(as_yaml(tree()), name)
        assert by_yaml == by_toml
        assert by_yaml.canonical == by_toml.canonical


@pytest.mark.requirement("O2")
def test_canonical_bytes_do_not_depend_on_the_order_of_keys() -> None:
    study = read_study(GOLDEN)
    assert parse_study(as_yaml(turned(tree())), "study.yaml").canonical == study.canonical
    assert study.hash == hash_bytes(study.canonical)
    assert study.canonical == canonical_json(json.loads(study.canonical))
    again = Study.model_validate(json.loads(study.canonical))
    assert again.hash == study.hash


@pytest.mark.parametrize(
    "change",
    [
        lambda study: study["study"].update(version=2),
        lambda study: study["claim"][0]["gate"][0].update(at_least=0.50001),
        lambda study: study["claim"][0]["gate"][0].update(why="because"),
        lambda study: study["model"].reverse(),
        lambda study: study["rights"].update(end_user="anyone"),
    ],
)
def test_any_change_of_meaning_changes_the_hash(change: Callable[[Any], object]) -> None:
    other = tree()
    change(other)
    assert parse_study(as_yaml(other), "study.yaml").hash != read_study(GOLDEN).hash


def test_a_comment_or_a_default_written_out_is_no_change() -> None:
    text = GOLDEN.read_text().replace("[study]\n", "# a comment\n[study]\nversion = 1\nseed = 0\n")
    assert parse_study(text.encode(), "study.toml").hash == read_study(GOLDEN).hash


# -- mistakes ---------------------------------------------------------------------------------
def test_all_mistakes_are_listed_with_their_paths() -> None:
    def change(study: dict[str, Any]) -> None:
        del study["study"]["owner"]
        study["study"]["id"] = "no spaces"
        study["context_of_use"]["influence"] = "huge"
        study["boundary"]["perturbations"] = ["cytokine", "magic"]
        study["data"][0]["value_type"] = "log3"
        study["model"][1]["seeds"] = [1, 1]
        study["claim"][0]["unit"] = "planet"
        study["claim"][0]["gate"][0]["on_fail"] = "feature_selection"
        study["middle"]["test"]["alpha"] = 1.5
        study["governance"]["privacy"]["dp"] = "on"

    paths = [line.split(": ")[0] for line in mistakes(change)]
    assert paths == [
        "boundary.perturbations.1",
        "claim.0.gate.0.on_fail",
        "claim.0.unit",
        "context_of_use.influence",
        "data.0.value_type",
        "governance.privacy.dp",
        "governance.privacy.dp",
        "middle.test.alpha",
        "model.1.seeds",
        "study.id",
        "study.owner",
    ]


def test_a_claim_with_a_wrong_gate_is_not_called_without_gates() -> None:
    (only,) = mistakes(lambda study: study["claim"][0]["gate"][0].update(ci_width_max=0))
    assert only == "claim.0.gate.0.ci_width_max: Input should be greater than 0 (found 0)"


@pytest.mark.parametrize("table", ["data", "model", "claim"])
def test_nothing_to_study_is_a_mistake(table: str) -> None:
    (only,) = mistakes(lambda study: study.update({table: []}))
    assert only.startswith(f"{table}: ")
    assert "at least 1" in only


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda study: study["model"].append(study["model"][0]),
            "model.2.id: 'flow' is taken by an earlier model",
        ),
        (
            lambda study: study["claim"].append(study["claim"][0]),
            "claim.1.id: 'unseen-type' is taken by an earlier claim",
        ),
        (
            lambda study: study["claim"][0].update(models=["flo"]),
            "claim.0.models: no model has the id 'flo'",
        ),
        (
            lambda study: study["model"][0].update(id="selected"),
            "model: the id 'selected' is reserved; choose another",
        ),
        (
            lambda study: study.update(explain={"model": "x", "perturbation": [{"id": "1"}]}),
            "explain.model: no model has the id 'x'",
        ),
        (
            lambda study: study["governance"]["privacy"].update(unit="planet"),
            "governance.privacy.unit: 'planet' is no role",
        ),
    ],
)
def test_what_no_single_key_can_tell(change: Callable[[Any], object], line: str) -> None:
    assert mistakes(change) == (line,)


def test_two_sources_of_profiles_are_refused() -> None:
    (only,) = mistakes(lambda study: study["data"].append(study["data"][0] | {"path": "b.h5ad"}))
    assert only == "data: 2 entries have role = 'profiles'; expected exactly one"


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"[study", "a.toml", "a.toml cannot be read"),
        (b"a: [", "a.yaml", "a.yaml cannot be read"),
        (b"\xff\xfe", "a.toml", "a.toml cannot be read"),
        (b"- 1", "a.yaml", "holds list; expected tables"),
        (b"", "a.yaml", "holds NoneType; expected tables"),
        (b"{}", "a.json", "ends in '.json'; a study file ends in .toml or .yaml"),
    ],
)
def test_what_is_no_study_file(content: bytes, name: str, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        parse_study(content, name)


def test_no_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="`cellula init` writes one"):
        read_study(tmp_path / "none.toml")


@pytest.mark.requirement("A5", "two wells of a treatment are replicates where the claim says so")
def test_the_profiles_of_a_replicate_are_part_of_a_study_where_they_are_said() -> None:
    usual = Study.model_validate(tree())
    said = tree()
    said["claim"][0]["replicate_profiles"] = 1
    one = Study.model_validate(said)
    assert (usual.claim[0].replicate_profiles, one.claim[0].replicate_profiles) == (5, 1)
    assert b"replicate_profiles" not in usual.canonical
    assert b"replicate_profiles" in one.canonical
    said["claim"][0]["replicate_profiles"] = 5
    assert Study.model_validate(said).hash == usual.hash
    assert mistakes(lambda wrong: wrong["claim"][0].update(replicate_profiles=0))
