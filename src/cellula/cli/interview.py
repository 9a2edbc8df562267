"""The questions of ``cellula init``; the context of use is asked first."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import typer

from cellula.cli.terminal import say
from cellula.core.errors import StudyError

__all__ = ["interview"]

TEMPLATE = """\
[study]
id = {id}
title = {title}
owner = {owner}
question = {question}

[context_of_use]
role = {role}
regulatory = {regulatory}
influence = {influence}
consequence = {consequence}
needs_mechanism = {needs_mechanism}

[governance.use]                     # what the data are used for: consent and licences ask it
purpose = {purpose}
is_commercial = {is_commercial}
country = {country}

[boundary]
species = [{species}]
cell_types = []                      # ontology ids, such as "CL:0000236"
perturbations = [{perturbation}]
level = "intracellular"

[[data]]
path = {path}
role = "profiles"
value_type = {value_type}
license = {license}                  # SPDX, or LicenseRef-NAME for terms of its own
# duo = ["GRU"]                      # consent codes of data from people, such as "HMB"
columns = {{ {columns} }}

[[model]]
id = "mean"
kind = "mean_response"

[[model]]
id = "linear"
kind = {model}

[[claim]]
id = "claim"
kind = {kind}
hold_out = {{ folds = 5, seed = 1 }}

[[claim.gate]]
metric = {metric}
at_least = 0.5                       # 0 is the better of control and mean response, 1 a replicate
ci_width_max = 0.4
why = "half way from the best trivial answer to a replicate experiment"
on_fail = "regularization"
"""

PURPOSES = ("general_research", "biomedical", "disease", "methods", "ancestry")
LEVELS = ("low", "medium", "high")


def interview(path: Path) -> None:
    """Ask, and write the study file. Raises StudyError when the file is there already."""
    from cellula.core.claim import ClaimKind
    from cellula.core.perturbation import PerturbationKind
    from cellula.core.value_type import ValueType
    from cellula.io.atomic import create_atomically
    from cellula.validation.study import parse_study

    if path.exists():
        raise StudyError(f"{path} is there already; give another name: cellula init other.toml")
    say("First, what the answer will be used for.")
    answers = {
        "role": _quoted(typer.prompt("Role of the answer", default="prioritise targets")),
        "regulatory": _yes("Will a regulator see it?"),
        "influence": _choice("How much does the decision rest on it", LEVELS, "medium"),
        "consequence": _choice("How bad is a wrong decision", LEVELS, "low"),
        "needs_mechanism": _yes("Does the question need a mechanism?"),
        "purpose": _choice("Purpose, as consent codes divide it", PURPOSES, "general_research"),
        "is_commercial": _yes("Is the use commercial?"),
        "country": _checked(
            "Country where it is done, as two letters (empty: not stated)",
            lambda text: re.fullmatch(r"([A-Z]{2})?", text) is not None,
            "",
        ),
    }
    say("Now the question and the data.")
    answers |= {
        "question": _quoted(typer.prompt("The question, in one sentence")),
        "title": _quoted(typer.prompt("A title")),
        "id": _quoted(typer.prompt("A short id", default=path.stem)),
        "owner": _quoted(typer.prompt("Who owns the study")),
        "species": _quoted(typer.prompt("Species", default="human")),
        "perturbation": _choice("Kind of perturbation", tuple(PerturbationKind), "knock_out"),
        "path": _quoted(typer.prompt("File of the profiles, relative to the study file")),
        "license": _checked("Licence of the data, as SPDX or LicenseRef-NAME", _is_license, None),
        "value_type": _choice("What the numbers are", tuple(ValueType), "log1p"),
        "kind": _choice("What is unseen", tuple(ClaimKind), "unseen_perturbation"),
    }
    columns = {"perturbation": typer.prompt("Column of the perturbation", default="perturbation")}
    control = typer.prompt("Label of the controls, or their true/false column", default="control")
    columns |= {"control": control, "context": typer.prompt("Column of the context (cell type)")}
    answers["columns"] = ", ".join(f"{role} = {_quoted(name)}" for role, name in columns.items())
    is_relative = not ValueType(answers["value_type"].strip('"')).is_absolute
    answers["model"] = '"bilinear_ridge"' if is_relative else '"row_column_offset"'
    answers["metric"] = '"pearson_delta@1"' if is_relative else '"variance_explained@1"'
    content = TEMPLATE.format(**answers).encode()
    parse_study(content, "study.toml")
    create_atomically(path, content)


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def _yes(question: str) -> str:
    return "true" if typer.confirm(question, default=False) else "false"


def _choice(question: str, options: tuple[str, ...], default: str) -> str:
    while True:
        answer: str = typer.prompt(f"{question} ({', '.join(options)})", default=default)
        if answer in options:
            return _quoted(answer)
        say(f"  {answer!r} is none of them")


def _checked(question: str, is_good: Callable[[str], bool], default: str | None) -> str:
    """An answer that is good, quoted; asked again until then."""
    while True:
        answer: str = typer.prompt(question, default=default, show_default=bool(default))
        if is_good(answer):
            return _quoted(answer)
        say(f"  {answer!r} cannot be read")


def _is_license(text: str) -> bool:
    from cellula.data.data_source import spdx_expression

    try:
        if spdx_expression(text) == "unknown":
            say("  a study whose licence is unknown is not eligible: ask whoever gave you the data")
            return False
    except ValueError as error:
        say(f"  {error}")
        return False
    return True
