"""Physical problems as TOML (``.physics.toml``): fields, boundaries, unknowns, data.

Formulas are written as people type them (:mod:`cellula.io.infix`), with ``time`` and, where there
is a place, ``x``.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from pydantic import Field as Declared
from pydantic import ValidationError

from cellula.core.errors import DataError
from cellula.core.expression import Expression
from cellula.core.model import Options
from cellula.core.physics import Boundary, Field, LearnedTerm, Measured, PhysicsProblem, Unknown
from cellula.core.reader import Content
from cellula.io.atomic import write_atomically
from cellula.io.infix import parse, written
from cellula.io.text_file import decoded, text_bytes

__all__ = ["PhysicsToml"]

#: A formula, or a plain number in its place.
Formula = str | float
Kind = Literal["value", "slope"]


class FieldTable(Options):
    """``[fields.ID]``."""

    rate: Formula = 0.0
    """All of du/dt but diffusion."""
    initial: Formula
    """At the first time."""
    diffusion: Formula | None = None
    """The coefficient D."""
    left: dict[Kind, Formula] | None = None
    """``{value = ...}`` or ``{slope = ...}`` at the left end."""
    right: dict[Kind, Formula] | None = None
    """The same at the right end."""
    exact: Formula | None = None
    """The solution, where it is known."""
    scale: float | None = Declared(default=None, gt=0)
    """How large the field gets."""


class UnknownTable(Options):
    """``[unknowns.ID]``."""

    lower: float
    """The smallest value."""
    upper: float
    """The largest value."""
    scale: Literal["linear", "log"] = "linear"
    """On which it is sought."""


class LearnedTable(Options):
    """``[learned.ID]``."""

    inputs: tuple[str, ...]
    """The fields that the term depends on."""


class MeasuredTable(Options):
    """A row of ``[[data]]``."""

    field: str
    """What was measured."""
    time: float
    """When."""
    value: float
    """What was found."""
    sigma: float
    """The standard deviation of its error."""
    place: float | None = None
    """Where, if the problem has a place."""


class ProblemTable(Options):
    """The whole file."""

    physics: Literal[1]
    """The version of this form."""
    id: str
    """What the problem is called."""
    time: tuple[float, float]
    """First and last."""
    place: tuple[float, float] | None = None
    """Left and right end; none for an ordinary differential equation."""
    fields: dict[str, FieldTable]
    """What is solved for."""
    parameters: dict[str, float] = Declared(default_factory=dict)
    """Numbers by name."""
    unknowns: dict[str, UnknownTable] = Declared(default_factory=dict)
    """Parameters to be found."""
    learned: dict[str, LearnedTable] = Declared(default_factory=dict)
    """Functions to be found."""
    data: tuple[MeasuredTable, ...] = ()
    """Measurements."""


@final
class PhysicsToml:
    """``.physics.toml`` in and out."""

    name: ClassVar[str] = "physics"
    suffixes: ClassVar[tuple[str, ...]] = (".physics.toml",)

    def read(self, path: Path) -> PhysicsProblem:
        """The problem of a file. Raises DataError, naming the file and every wrong key in it."""
        try:
            tree = tomllib.loads(decoded(text_bytes(path), path.name))
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"{path.name} is no TOML: {error}") from error
        try:
            return _problem(ProblemTable(**tree))
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}"
                for one in error.errors()
            )
            raise DataError(f"{path.name} declares no physical problem: {told}") from error
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from error

    def write(self, content: Content, path: Path) -> None:
        """Write a problem, which reads back equal. Raises DataError on anything else."""
        if not isinstance(content, PhysicsProblem):
            raise DataError(f"{path.name} holds a physical problem; found {type(content).__name__}")
        write_atomically(path, "\n".join([*_lines(content), ""]).encode())


def _problem(table: ProblemTable) -> PhysicsProblem:
    return PhysicsProblem(
        table.id,
        tuple(_field(id, one) for id, one in table.fields.items()),
        table.time,
        table.place,
        table.parameters,
        tuple(
            Unknown(id, one.lower, one.upper, one.scale == "log")
            for id, one in table.unknowns.items()
        ),
        tuple(LearnedTerm(id, one.inputs) for id, one in table.learned.items()),
        tuple(Measured(m.field, m.time, m.value, m.sigma, m.place) for m in table.data),
    )


def _field(id: str, one: FieldTable) -> Field:
    return Field(
        id,
        _expression(one.rate),
        _expression(one.initial),
        None if one.diffusion is None else _expression(one.diffusion),
        _boundary(id, one.left),
        _boundary(id, one.right),
        None if one.exact is None else _expression(one.exact),
        one.scale,
    )


def _expression(formula: Formula) -> Expression:
    return parse(formula if isinstance(formula, str) else repr(float(formula)))


def _boundary(id: str, given: Mapping[Kind, Formula] | None) -> Boundary | None:
    if given is None:
        return None
    if len(given) != 1:
        raise DataError(f"a boundary of {id!r} tells {len(given)} things; expected value or slope")
    ((kind, formula),) = given.items()
    return Boundary(kind, _expression(formula))


def _lines(problem: PhysicsProblem) -> Iterator[str]:
    yield "physics = 1"
    yield f"id = {_text(problem.id)}"
    yield f"time = [{_number(problem.time[0])}, {_number(problem.time[1])}]"
    if problem.place is not None:
        yield f"place = [{_number(problem.place[0])}, {_number(problem.place[1])}]"
    if problem.parameters:
        yield from ("", "[parameters]")
        yield from (f"{_text(id)} = {_number(value)}" for id, value in problem.parameters.items())
    for unknown in problem.unknowns:
        yield from ("", f"[unknowns.{_text(unknown.id)}]")
        yield f"lower = {_number(unknown.lower)}"
        yield f"upper = {_number(unknown.upper)}"
        yield f'scale = "{"log" if unknown.is_log else "linear"}"'
    for term in problem.learned:
        yield from ("", f"[learned.{_text(term.id)}]")
        yield f"inputs = [{', '.join(map(_text, term.inputs))}]"
    for field in problem.fields:
        yield from _field_lines(field)
    for measured in problem.data:
        yield from ("", "[[data]]", f"field = {_text(measured.field)}")
        numbers = {"time": measured.time, "place": measured.place}
        for name, value in (numbers | {"value": measured.value, "sigma": measured.sigma}).items():
            if value is not None:
                yield f"{name} = {_number(value)}"


def _field_lines(field: Field) -> Iterator[str]:
    yield from ("", f"[fields.{_text(field.id)}]")
    formulas = {"rate": field.rate, "initial": field.initial, "diffusion": field.diffusion}
    for name, formula in (formulas | {"exact": field.exact}).items():
        if formula is not None:
            yield f"{name} = {_text(written(formula))}"
    for name, side in (("left", field.left), ("right", field.right)):
        if side is not None:
            yield f"{name} = {{ {side.kind} = {_text(written(side.expression))} }}"
    if field.scale is not None:
        yield f"scale = {_number(field.scale)}"


def _text(value: Any) -> str:
    """A string as TOML's basic strings write it, which JSON's are."""
    return json.dumps(str(value))


def _number(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else str(value)
