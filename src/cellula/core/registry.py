"""Plug-ins by name: built-ins and strangers come through the same entry points.

A plug-in is an entry point of the group ``cellula.<kind>``. It is imported when it is asked
for, never before; listing names imports nothing. One that does its work through another, whose
package is optional, says so in its entry point: ``name = "module:Class [extra]"``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any

from pydantic import ValidationError

from cellula.core.errors import MissingExtra, PluginError, StudyError

__all__ = ["KINDS", "Plugin", "create", "load", "names", "plugins"]

#: Every kind of plug-in.
KINDS = (
    "model",
    "simulator",
    "flux_solver",
    "optimiser",
    "metric",
    "uncertainty",
    "gate",
    "transform",
    "embedder",
    "reader",
    "writer",
    "source",
    "cluster",
)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A registered plug-in as ``cellula plugins`` lists it; ``problem`` is "" when it loads.

    is_missing: whether the problem is an optional package that is not installed.
    """

    kind: str
    name: str
    target: str
    package: str
    problem: str = ""
    is_missing: bool = False


def _points(kind: str) -> dict[str, list[EntryPoint]]:
    if kind not in KINDS:
        raise PluginError(f"{kind!r} is no kind of plug-in; expected one of {', '.join(KINDS)}")
    found: dict[str, list[EntryPoint]] = {}
    for point in _installed(f"cellula.{kind}", _places(), entry_points):
        same = found.setdefault(point.name, [])
        if point.value not in {other.value for other in same}:
            same.append(point)
    return found


def _places() -> tuple[tuple[str, int], ...]:
    """The folders that packages are found in, and when each was changed."""
    found: list[tuple[str, int]] = []
    for place in sys.path:
        try:
            found.append((place, os.stat(place or ".").st_mtime_ns))
        except OSError:
            found.append((place, 0))
    return tuple(found)


@lru_cache(maxsize=len(KINDS))
def _installed(
    group: str,
    _seen: tuple[tuple[str, int], ...],
    find: Callable[..., Iterable[EntryPoint]],
) -> tuple[EntryPoint, ...]:
    """The entry points of a group, searched for again only where a folder has changed."""
    return tuple(find(group=group))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"


def names(kind: str) -> tuple[str, ...]:
    """The names of all plug-ins of a kind, sorted; nothing is imported."""
    return tuple(sorted(_points(kind)))


def load(kind: str, name: str) -> Any:
    """The plug-in of this name.

    Raises PluginError when the name is unknown (with the nearest names), when two packages
    register it, or when its import fails for a reason of its own; MissingExtra, with the
    command that installs it, when an optional package is missing.
    """
    found = _points(kind)
    if name not in found:
        near = get_close_matches(name, found, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise PluginError(
            f"no {kind} is called {name!r}{hint} (there are: {', '.join(sorted(found)) or 'none'})"
        )
    points = found[name]
    if len(points) > 1:
        both = " and ".join(sorted(f"{point.value} of {_package(point)}" for point in points))
        raise PluginError(f"two {kind} plug-ins are called {name!r}: {both}; uninstall one of them")
    return _import(kind, points[0])


def _import(kind: str, point: EntryPoint) -> Any:
    requires = point.dist.requires or () if point.dist else ()
    for extra in point.extras:
        for package in _by_extra(requires).get(extra, ()):
            if not _is_installed(package):
                raise MissingExtra(
                    f"{kind} {point.name!r} needs the package {package!r}; install it with: "
                    f"pip install '{_package(point)}[{extra}]'"
                )
    try:
        return point.load()
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        own = point.value.split(".")[0].split(":")[0]
        if missing and missing != own:
            raise MissingExtra(
                f"{kind} {point.name!r} needs the package {missing!r}; install it with: "
                f"{_install(point, missing)}"
            ) from error
        raise PluginError(_broken(kind, point, error)) from error
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError, NameError) as error:
        raise PluginError(_broken(kind, point, error)) from error


def _broken(kind: str, point: EntryPoint, error: Exception) -> str:
    return (
        f"{kind} {point.name!r} ({point.value} of {_package(point)}) is broken: "
        f"{type(error).__name__}: {error}; repair or uninstall {_package(point)}"
    )


def _install(point: EntryPoint, missing: str) -> str:
    """The pip command that brings the missing module: the extra that names it, or the package."""
    extra = _extra(point.dist.requires or () if point.dist else (), point, missing)
    return f"pip install '{_package(point)}[{extra}]'" if extra else f"pip install {missing}"


def _extra(requires: Iterable[str], point: EntryPoint, missing: str) -> str:
    extras = _by_extra(requires)
    module = point.module.rsplit(".", 1)[-1]
    for wanted in (point.name, module):
        if wanted in extras:
            return wanted
    key = missing.lower().replace("_", "-")
    # The smallest first: an extra that includes another lists its packages too.
    for extra, needed in sorted(extras.items(), key=lambda item: len(item[1])):
        if any(key in package for package in needed):
            return extra
    return ""


def _by_extra(requires: Iterable[str]) -> dict[str, list[str]]:
    """The packages of every extra, by their names in a registry."""
    extras: dict[str, list[str]] = {}
    for line in requires:
        match = re.match(r"\s*([A-Za-z0-9._-]+).*extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if match:
            extras.setdefault(match[2], []).append(match[1].lower().replace("_", "-"))
    return extras


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def create(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """A plug-in with its options checked: ``load(kind, name)(options_type(**options))``.

    Raises StudyError listing every unknown or wrong option at once.
    """
    plugin = load(kind, name)
    try:
        checked = plugin.options_type(**dict(options or {}))
    except ValidationError as error:
        known = ", ".join(plugin.options_type.model_fields) or "none"
        raise StudyError(
            f"options of {kind} {name!r} are wrong (it has: {known}):",
            [
                f"{'.'.join(map(str, item['loc']))}: {item['msg']} (found {item['input']!r})"
                for item in error.errors()
            ],
        ) from error
    return plugin(checked)


def plugins() -> tuple[Plugin, ...]:
    """Every plug-in of every kind; each is imported, so that a broken one is listed as broken and
    one that needs an optional package says how to install it.
    """
    listed: list[Plugin] = []
    for kind in KINDS:
        for name, points in sorted(_points(kind).items()):
            problem, is_missing = "", False
            try:
                load(kind, name)
            except (PluginError, MissingExtra) as error:
                problem, is_missing = str(error), isinstance(error, MissingExtra)
            listed += [
                Plugin(kind, name, p.value, _package(p), problem, is_missing) for p in points
            ]
    return tuple(listed)
