"""The reference pages, written from the code: contracts, plug-ins, study file, command line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from textwrap import indent
from typing import Any

import click
import typer

from cellula.cli.app import app
from cellula.core import registry
from cellula.core.errors import MissingExtra
from cellula.validation.study import json_schema

#: Module of the floor ``core`` -> the title above its contracts.
CONTRACTS: Mapping[str, str] = {
    "dataset": "Profiles x readouts and their roles",
    "perturbation": "What is done to cells",
    "query": "Questions, by column",
    "prediction": "Answers",
    "model": "Model, fitted, state",
    "transform": "Steps on data",
    "reader": "File formats",
    "expression": "Formulas of mechanistic models",
    "network": "The intermediate form of a mechanistic model",
    "flux": "Flux balance of a network",
    "logic": "Logic models",
    "simulation": "Simulators and trajectories",
    "space": "Grids and what is on them",
    "field_course": "Fields over time",
    "particles": "Networks as particles",
    "experiment": "Simulation experiments",
    "combine_archive": "COMBINE archives",
    "comparison": "Observed beside predicted",
    "metric": "Metrics and scores",
    "gate": "Gates and verdicts",
    "evidence": "Evidence and records of runs",
    "claim": "Claims and tiers",
    "run": "What a run needs besides its data",
    "units": "Units",
    "errors": "Errors",
}
#: Kind of plug-in -> its page.
PLUGINS: Mapping[str, str] = {
    "model": "models",
    "metric": "metrics",
    "uncertainty": "uncertainty_methods",
    "gate": "gates",
    "transform": "transforms",
    "reader": "readers",
    "writer": "writers",
    "simulator": "simulators",
}
SECTIONS = ("study_file", "command_line")
#: A signature that is longer has a line for each parameter.
LONG = 80


def write_pages(folder: Path) -> None:
    """Write every page below ``folder``; a page that says the same is left alone."""
    folder.mkdir(exist_ok=True)
    for name, text in pages():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def pages() -> Iterator[tuple[str, str]]:
    """Name and text of every page."""
    yield "study_file", _study_file()
    yield "command_line", _command_line()
    for kind, page in PLUGINS.items():
        yield page, _plugins(kind, page.replace("_", " ").capitalize())
    yield "contracts", _contracts()
    names = [*SECTIONS, *PLUGINS.values(), "contracts"]
    listed = "\n".join(names)
    yield "index", f"# Reference\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"


# -- text -------------------------------------------------------------------------------------
def _rst(text: str | None) -> str:
    """A docstring as a block: citations resolved, names of other things as plain code."""
    clean = inspect.cleandoc(text or "")
    clean = re.sub(r"\[([a-z]+\d{4})\]_", r":cite:`\1`", clean)
    clean = "".join(_bars(part) for part in re.split(r"(``.*?``)", clean))
    clean = re.sub(r":(?:class|func|mod|meth|attr|data):`~?([^`]*)`", _short, clean)
    return f"```{{eval-rst}}\n{clean}\n```\n"


def _bars(part: str) -> str:
    """Bars outside code are meant as such, not as a substitution."""
    return part if part.startswith("``") else part.replace("|", "\\|")


def _short(match: re.Match[str]) -> str:
    return f"``{match[1]}``"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "---|" * lines[0].count(" | ") + "---|")
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _signature(thing: Any) -> str:
    """As written: without quotes and ``self``, one parameter a line where it is long."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    parameters = [str(one) for name, one in found.parameters.items() if name != "self"]
    back = "" if found.return_annotation in {found.empty, None, "None"} else found.return_annotation
    one_line = f"({', '.join(parameters)})" + (f" -> {back}" if back else "")
    if len(one_line) > LONG:
        lines = "".join(f"    {one},\n" for one in parameters)
        one_line = f"(\n{lines})" + (f" -> {back}" if back else "")
    return one_line.replace("'", "")


# -- contracts --------------------------------------------------------------------------------
def _contracts() -> str:
    parts = [
        "# Contracts\n",
        "Protocols are structural: a plug-in keeps them, it does not inherit. Values are frozen. "
        "Matrices are profiles x readouts.\n",
    ]
    for name, title in CONTRACTS.items():
        module = import_module(f"cellula.core.{name}")
        parts.append(f"## {title}\n\n`cellula.core.{name}`\n\n{_rst(module.__doc__)}")
        parts += [_member(key, getattr(module, key)) for key in module.__all__]
    return "\n".join(parts)


def _member(name: str, thing: Any) -> str:
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return ""
    kind = "class" if inspect.isclass(thing) else "def"
    shown = f"{kind} {name}{_signature(thing)}"
    return f"### {name}\n\n```python\n{shown}\n```\n\n{_rst(thing.__doc__)}" + "".join(
        f"\n`{key}`\n: {indent(_rst(text), '  ').strip()}\n" for key, text in _parts(thing)
    )


def _parts(thing: Any) -> Iterator[tuple[str, str | None]]:
    """Signature and docstring of every public method and property of a class."""
    for key, value in vars(thing).items() if inspect.isclass(thing) else ():
        if key.startswith("_"):
            continue
        if isinstance(value, property):
            yield f".{key}", value.__doc__
        elif inspect.isfunction(value):
            yield f".{key}{_signature(value)}", value.__doc__


# -- plug-ins ---------------------------------------------------------------------------------
def _plugins(kind: str, title: str) -> str:
    parts = [f"# {title}\n"]
    for name in registry.names(kind):
        try:
            plugin = registry.load(kind, name)
        except MissingExtra as missing:
            parts.append(f"## {name}\n\nA package is missing to describe it: {missing}\n")
            continue
        parts.append(
            f"## {name}\n\n`{plugin.__module__}.{plugin.__name__}`\n\n{_rst(plugin.__doc__)}"
        )
        references = getattr(plugin, "references", ())
        if references:
            parts.append(f"Source: {_cite(*references)}\n")
        options = getattr(plugin, "options_type", None)
        if options is not None and options.model_fields:
            parts.append(_options(options))
        definition = getattr(plugin, "definition", None)
        if kind == "metric" and definition is not None:
            rows = ((key, f"`{getattr(definition, key)}`") for key in definition.__slots__)
            parts.append(_table(("definition", ""), rows))
        if suffixes := getattr(plugin, "suffixes", ()):
            parts.append("Recognised by: " + ", ".join(f"`{suffix}`" for suffix in suffixes) + "\n")
    return "\n".join(parts)


def _options(options: Any) -> str:
    fields = options.model_json_schema()["properties"]
    rows = (
        (f"`{name}`", f"`{_default(field)}`", _limits(field), _meaning(field))
        for name, field in fields.items()
    )
    return _table(("option", "default", "limits", "meaning"), rows)


def _meaning(field: Mapping[str, Any]) -> str:
    """The description of an option or a key, its citations resolved."""
    return re.sub(
        r"\[([a-z]+\d{4})\]_", lambda match: _cite(match[1]), field.get("description", "")
    )


def _cite(*keys: str) -> str:
    return f"{{cite}}`{','.join(keys)}`"


def _default(field: Mapping[str, Any]) -> str:
    return repr(field["default"]) if "default" in field else "required"


def _limits(field: Mapping[str, Any]) -> str:
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    found = [f"{word} {field[key]}" for key, word in words.items() if key in field]
    if "enum" in field:
        found.append("one of " + ", ".join(f"`{value}`" for value in field["enum"]))
    return ", ".join(found)


# -- the study file ---------------------------------------------------------------------------
def _study_file() -> str:
    schema = json_schema()
    parts = [
        "# The study file\n",
        "TOML or YAML. An unknown key is an error, and all mistakes are listed at once, each with "
        "its path. `cellula init --json-schema` prints this as a JSON Schema.\n",
    ]
    parts += [_study_table(*item, schema) for item in schema["properties"].items()]
    return "\n".join(parts)


def _study_table(name: str, field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    is_list = field.get("type") == "array"
    shown = f"[[{name}]]" if is_list else f"[{name}]"
    return f"## {shown}\n\n" + _keys(_definition(field, schema), schema, name)


def _keys(definition: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> str:
    """The keys of a table, and below them those of the tables inside it."""
    required = set(definition.get("required", ()))
    rows, inner = [], []
    for key, field in definition.get("properties", {}).items():
        default = "required" if key in required else _default(field)
        rows.append((f"`{key}`", _kind(field, schema), f"`{default}`", _meaning(field)))
        below = _definition(field, schema)
        if below.get("properties"):
            inner.append(f"### {path}.{key}\n\n" + _keys(below, schema, f"{path}.{key}"))
    text = _prose(definition.get("description", ""))
    return f"{text}\n\n{_table(('key', 'value', 'default', 'meaning'), rows)}\n" + "\n".join(inner)


def _prose(text: str) -> str:
    return inspect.cleandoc(text)


def _definition(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table that a key holds: itself, in a list, or one of several forms; {} if none."""
    for place in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in place:
            found: Mapping[str, Any] = schema["$defs"][place["$ref"].rsplit("/", 1)[-1]]
            return found
    return {}


def _kind(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "anyOf" in field or "oneOf" in field:
        kinds = [_kind(one, schema) for one in (*field.get("anyOf", ()), *field.get("oneOf", ()))]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "$ref" in field:
        below = _definition(field, schema)
        return _limits(below) if "enum" in below else "table"
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(field.get('items', {}), schema)}"
    return ", ".join(part for part in (kind if "enum" not in field else "", _limits(field)) if part)


# -- the command line -------------------------------------------------------------------------
EXIT_CODES = (
    ("0", "passed"),
    ("1", "an error, or wrong usage"),
    ("2", "a gate failed"),
    ("3", "tampered: a recorded byte changed"),
    ("4", "not eligible: consent, licence or boundary"),
    ("5", "underpowered"),
)


def _command_line() -> str:
    root = typer.main.get_command(app)
    parts = [
        "# The command line\n",
        _table(("exit code", "meaning"), EXIT_CODES),
        "`cellula demo` exits 0 when it completes, whatever its gates say.\n",
    ]
    return "\n".join([*parts, *_commands(root, "cellula")])


def _commands(command: Any, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if not hasattr(command, "commands"):
        yield f"## {path.removeprefix('cellula ')}\n\n```text\n{command.get_help(context)}\n```\n"
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, f"{path} {name}")
