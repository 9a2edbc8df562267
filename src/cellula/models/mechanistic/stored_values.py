"""Frozen values as bytes and back: JSON for what they are made of, raw numbers for arrays.

Nothing that a file says is carried out: only the classes that the reader names are made, by
their constructors. A part that several share is stored once and shared again.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, final

import numpy as np

from cellula.core.derivative import ordered
from cellula.core.expression import Apply, Expression, Number, Symbol

__all__ = ["from_bytes", "to_bytes"]

PLAIN = (str, int, float, bool, type(None))
#: How many bytes of the head say how long it is.
LENGTH = 8


def to_bytes(value: Any, types: Sequence[type]) -> bytes:
    """A value of these frozen dataclasses, expressions, tuples, mappings, arrays and plain ones.

    Raises TypeError, naming the type, on anything else.
    """
    writing = _Writing(types)
    root = writing.told(value)
    head = {
        "nodes": writing.nodes,
        "objects": writing.objects,
        "arrays": [(one.dtype.str, one.shape) for one in writing.arrays],
        "root": root,
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    parts = [len(text).to_bytes(LENGTH, "little"), text]
    return b"".join((*parts, *(one.tobytes() for one in writing.arrays)))


def from_bytes(data: bytes, types: Sequence[type]) -> Any:
    """What :func:`to_bytes` was given, with the same types in the same order.

    Raises ValueError, KeyError, IndexError or TypeError where the bytes are not its own.
    """
    end = LENGTH + int.from_bytes(data[:LENGTH], "little")
    with _without_collection():
        head = json.loads(data[LENGTH:end])
        reading = _Reading(_expressions(head["nodes"]), _arrays(head["arrays"], data, end), [])
        for number, *values in head["objects"]:
            made = types[number](*[_value(one, reading) for one in values])
            reading.objects.append(made)
        return _value(head["root"], reading)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Nothing that is made here is given up: looking for garbage would double the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@final
class _Writing:
    """What was told so far, each part once."""

    def __init__(self, types: Sequence[type]) -> None:
        self._numbers = {one: number for number, one in enumerate(types)}
        self._known: dict[int, int] = {}
        self._kept: list[Any] = []
        self.nodes: list[Any] = []
        self.objects: list[list[Any]] = []
        self.arrays: list[np.ndarray[Any, Any]] = []

    def told(self, value: Any) -> Any:
        """A value as JSON; depth is that of classes in classes, not of a formula."""
        if isinstance(value, PLAIN):
            return value
        if isinstance(value, Number | Symbol | Apply):
            return {"e": self._node(value)}
        if isinstance(value, tuple):
            if value and all(isinstance(one, Number | Symbol | Apply) for one in value):
                return {"E": [self._node(one) for one in value]}
            return [self.told(one) for one in value]
        if isinstance(value, Mapping):
            return {"k": list(value), "v": self.told(tuple(value.values()))}
        if isinstance(value, np.ndarray):
            self.arrays.append(np.ascontiguousarray(value))
            return {"a": len(self.arrays) - 1}
        return {"o": self._object(value)}

    def _object(self, value: Any) -> int:
        if id(value) not in self._known:
            if type(value) not in self._numbers:
                raise TypeError(f"{type(value).__name__} cannot be stored; expected a known class")
            told = [self.told(getattr(value, field.name)) for field in fields(value)]
            self.objects.append([self._numbers[type(value)], *told])
            self._keep(value, len(self.objects) - 1)
        return self._known[id(value)]

    def _node(self, expression: Expression) -> int:
        if id(expression) in self._known:
            return self._known[id(expression)]
        for node in ordered([expression]):
            if id(node) in self._known:
                continue
            if isinstance(node, Number):
                self.nodes.append(node.value)
            elif isinstance(node, Symbol):
                self.nodes.append(node.id)
            else:
                arguments = (self._known[id(one)] for one in node.arguments)
                self.nodes.append([node.function, *arguments])
            self._keep(node, len(self.nodes) - 1)
        return self._known[id(expression)]

    def _keep(self, value: Any, number: int) -> None:
        """Also keeps it alive, so that no other takes its identity."""
        self._known[id(value)] = number
        self._kept.append(value)


@final
class _Reading:
    """What was made so far."""

    __slots__ = ("arrays", "nodes", "objects")

    def __init__(
        self, nodes: list[Expression], arrays: list[np.ndarray[Any, Any]], objects: list[Any]
    ) -> None:
        self.nodes, self.arrays, self.objects = nodes, arrays, objects


def _expressions(nodes: list[Any]) -> list[Expression]:
    made: list[Expression] = []
    for node in nodes:
        if type(node) is list:
            made.append(Apply(node[0], tuple([made[k] for k in node[1:]])))
        else:
            made.append(Symbol(node) if type(node) is str else Number(node))
    return made


def _arrays(told: list[Any], data: bytes, begin: int) -> list[np.ndarray[Any, Any]]:
    """Copies, which may be written to and are aligned."""
    made = []
    for name, shape in told:
        kind = np.dtype(name)
        count = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(data, kind, count, begin)
        made.append(flat.reshape(shape).copy())
        begin += count * kind.itemsize
    if begin != len(data):
        raise ValueError(f"{len(data) - begin} bytes too many")
    return made


def _value(told: Any, reading: _Reading) -> Any:
    if type(told) is list:
        return tuple([_value(one, reading) for one in told])
    if type(told) is not dict:
        return told
    ((kind, content), *rest) = told.items()
    if kind == "o":
        return reading.objects[content]
    if kind == "e":
        return reading.nodes[content]
    if kind == "E":
        nodes = reading.nodes
        return tuple([nodes[one] for one in content])
    if kind == "a":
        return reading.arrays[content]
    return dict(zip(content, _value(rest[0][1], reading), strict=True))
