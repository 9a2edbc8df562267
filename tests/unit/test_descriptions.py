"""Every option of a plug-in and every key of the study file says what it means."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra
from cellula.core.model import Options
from cellula.validation.strict import Strict
from cellula.validation.study import json_schema

SOURCE = Path(__file__).resolve().parents[2] / "src" / "cellula"
#: What the classes inherit whose fields are options, or keys of the study file.
BASES = ("Options", "Strict")


def undescribed(schema: Mapping[str, Any]) -> list[str]:
    """The properties of a JSON schema, and of the tables inside it, without a description."""
    tables = {str(schema.get("title")): schema, **schema.get("$defs", {})}
    return [
        f"{table}.{key}"
        for table, definition in tables.items()
        for key, field in definition.get("properties", {}).items()
        if not field.get("description", "").strip()
    ]


def registered_options() -> Iterator[tuple[str, type[Options]]]:
    for kind in registry.KINDS:
        for name in registry.names(kind):
            try:
                plugin = registry.load(kind, name)
            except MissingExtra:
                continue
            if (options := getattr(plugin, "options_type", None)) is not None:
                yield f"{kind} {name}", options


def bare_fields(tree: ast.Module) -> list[str]:
    """Fields of the classes of options of a module that no docstring follows."""
    return [
        f"{found.name}.{ast.unparse(field.target)}"
        for found in ast.walk(tree)
        if isinstance(found, ast.ClassDef)
        and any(ast.unparse(base).endswith(BASES) for base in found.bases)
        for field, after in zip(found.body, [*found.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign) and not _is_text(after)
    ]


def _is_text(node: ast.stmt | None) -> bool:
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_constant and bool(str(node.value.value).strip())


def test_every_option_of_a_plugin_is_described() -> None:
    found = dict(registered_options())
    assert {"model ridge", "gate stability", "transform combat"} <= set(found)
    bare = {who: undescribed(options.model_json_schema()) for who, options in found.items()}
    assert {who: names for who, names in bare.items() if names} == {}


def test_every_key_of_the_study_file_is_described() -> None:
    assert undescribed(json_schema()) == []


def test_options_of_no_plugin_are_described_too() -> None:
    bare = {
        path.relative_to(SOURCE).as_posix(): names
        for path in SOURCE.rglob("*.py")
        if (names := bare_fields(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert bare == {}


def test_a_table_says_something_else_than_its_key() -> None:
    """pydantic drops a description that repeats that of the table below it."""
    schema = json_schema()
    for key, field in schema["properties"].items():
        reference = field.get("$ref") or field.get("items", {}).get("$ref", "")
        below = schema["$defs"].get(reference.rsplit("/", 1)[-1], {})
        assert field["description"] != below.get("description"), key


def test_an_option_without_a_description_is_found() -> None:
    class Planted(Options):
        told: int = 1
        """What it means."""
        untold: int = 2

    class Below(Strict):
        untold: int = 1

    class Above(Strict):
        below: Below = Below()
        """A table."""

    assert undescribed(Planted.model_json_schema()) == ["Planted.untold"]
    assert undescribed(Above.model_json_schema()) == ["Below.untold"]


@pytest.mark.parametrize("base", ["Options", "KnnOptions", "Strict", "strict.Strict"])
def test_a_field_without_a_docstring_is_found(base: str) -> None:
    text = f'class A({base}):\n    """Doc."""\n    x: int\n    """Told."""\n    y: int\n    z = 3\n'
    assert bare_fields(ast.parse(text)) == ["A.y"]
    assert bare_fields(ast.parse(text.replace(base, "Protocol"))) == []


@pytest.mark.requirement("R7")
@pytest.mark.parametrize("name", registry.names("model"))
def test_a_model_says_first_what_it_assumes(name: str) -> None:
    """The dossier prints the first paragraph of the docstring as the assumptions."""
    try:
        model = registry.load("model", name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert (model.__doc__ or "").startswith("Assumes that ")
