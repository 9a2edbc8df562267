"""Words of the command line that hold pairs: ``perturbation=gene,context=line``, ``cells=0``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cellula.core.errors import StudyError

__all__ = ["pairs", "repeated_pairs", "typed_pairs"]


def pairs(text: str, option: str) -> Mapping[str, str]:
    """``a=b,c=d`` as a mapping; the first ``=`` of each part separates.

    Raises StudyError, naming the option, on a part that is no pair and on a name given twice.
    """
    return _unique([part for part in text.split(",") if part.strip()], option)


def typed_pairs(words: Sequence[str], option: str) -> Mapping[str, object]:
    """``name=value`` words as a mapping; a value is JSON (``0``, ``true``, ``["a"]``) or text.

    ``train.epochs=3`` is a name within a name. Raises StudyError where one is both.
    """
    found: dict[str, object] = {}
    for name, value in _unique(words, option).items():
        *outer, last = name.split(".")
        inner = found
        for part in outer:
            kept = inner.setdefault(part, {})
            if not isinstance(kept, dict):
                raise StudyError(f"{option} gives {part!r} a value and names within it; give one")
            inner = kept
        if last in inner:
            raise StudyError(f"{option} gives {name!r} a value and names within it; give one")
        inner[last] = _typed(value)
    return found


def repeated_pairs(words: Sequence[str], option: str) -> Mapping[str, tuple[str, ...]]:
    """``name=value`` words as a mapping of all values of a name."""
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, value = _pair(word, option)
        found[name] = (*found.get(name, ()), value)
    return found


def _unique(words: Sequence[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, value = _pair(word, option)
        if name in found:
            raise StudyError(f"{option} gives {name!r} twice; give it once")
        found[name] = value
    return found


def _pair(word: str, option: str) -> tuple[str, str]:
    name, is_pair, value = (part.strip() for part in word.partition("="))
    if not (name and is_pair and value):
        raise StudyError(f"{option} holds {word!r}; expected name=value")
    return name, value


def _typed(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value
