"""From what a schema refuses to lines that a person can mend: path, what is wrong, what stands."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

__all__ = ["AS", "mistakes_of"]

#: Begins the tag of a branch of a union, which is no part of the path in the file.
AS = "as:"


def mistakes_of(error: ValidationError, tree: object) -> list[str]:
    """One line a mistake, sorted, each beginning with its path in the file.

    tree: what was validated, as the file holds it.
    """
    items = [item for item in error.errors() if not _is_echo(item)]
    return sorted({_line(item, tree) for item in items})


def _is_echo(item: Any) -> bool:
    """A list that is called too short only because its entries were refused, each by itself."""
    is_short: bool = item["type"] == "too_short"
    return is_short and len(item["input"]) > item["ctx"]["actual_length"]


def _line(item: Any, tree: object) -> str:
    path = ".".join(_path(item, tree))
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown key"
    if item["type"] == "missing":
        return f"{path}: missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    found = item["input"]
    shown = f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""
    return f"{path}: {message}{shown}"


def _path(item: Any, tree: object) -> list[str]:
    """The parts of the path that are in the file, and the key that should be; no branches."""
    parts: list[str] = []
    node: Any = tree
    for part in item["loc"]:
        is_key = isinstance(node, dict) and part in node and not str(part).startswith(AS)
        is_place = isinstance(node, list | tuple) and isinstance(part, int)
        if is_key or is_place:
            parts.append(str(part))
            node = node[part]
    return [*parts, str(item["loc"][-1])] if item["type"] == "missing" else parts
