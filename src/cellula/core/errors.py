"""Every error that cellula raises on purpose.

The tree (each also is the builtin it refines, so a caller may catch either)::

    CellulaError
    ├── DataError(ValueError)            what was handed over as data cannot be used
    ├── StudyError(ValueError)           a study file or an option is wrong
    ├── PluginError(RuntimeError)        a plug-in is unknown, doubled or broken
    ├── EngineError(RuntimeError)        an engine or a solver failed
    │   ├── MissingExtra(ImportError)    an optional package is not installed
    │   └── NotConverged                 an iteration did not reach its tolerance
    ├── PrivacyError(PermissionError)    privacy, consent or residency forbids it
    ├── StorageError(OSError)            a disk or a folder refuses to be written
    └── EvidenceError(RuntimeError)      the record of evidence forbids it or is damaged
        └── Tampered                     a recorded byte changed

A message says what was found, what was expected and what to do next.
A failed gate is a :class:`~cellula.core.gate.Verdict`, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = [
    "CellulaError",
    "DataError",
    "EngineError",
    "EvidenceError",
    "MissingExtra",
    "NotConverged",
    "PluginError",
    "PrivacyError",
    "StorageError",
    "StudyError",
    "Tampered",
    "legible",
]


#: No message, and no line of a list of mistakes, is longer.
LONGEST = 1500
#: A run of text without a space that is longer is a value of a file, not a word.
LONG_WORD = re.compile(r"\S{500,}")


class CellulaError(Exception):
    """Base of every error that cellula raises on purpose.

    What a message quotes from a file may be anything: control characters are spelled out, and
    a value or a message that is too long to read keeps its beginning and its end.
    """

    def __init__(self, *words: object) -> None:
        super().__init__(*(legible(word) if isinstance(word, str) else word for word in words))


class DataError(CellulaError, ValueError):
    """Data cannot be used as given; the message names column, row and remedy."""


class StudyError(CellulaError, ValueError):
    """A study file or an option is wrong.

    ``mistakes`` holds one line a mistake, each beginning with its path in the file.
    """

    def __init__(self, message: str, mistakes: Sequence[str] = ()) -> None:
        self.mistakes = tuple(_line(mistake) for mistake in mistakes)
        super().__init__("\n".join([message, *(f"  {line}" for line in self.mistakes)]))


class PluginError(CellulaError, RuntimeError):
    """A plug-in is unknown, registered twice or broken."""


class EngineError(CellulaError, RuntimeError):
    """An engine or a solver failed."""


class MissingExtra(EngineError, ImportError):
    """An optional package is not installed; the message is the command that installs it."""


class NotConverged(EngineError):
    """An iteration ended without reaching its tolerance."""


class PrivacyError(CellulaError, PermissionError):
    """Privacy, consent or residency forbids what was asked."""


class StorageError(CellulaError, OSError):
    """A file cannot be written: no space, no right, a broken disk; what was there is intact."""


class EvidenceError(CellulaError, RuntimeError):
    """The record of evidence forbids what was asked, or cannot be read."""


class Tampered(EvidenceError):
    """A recorded byte is not the byte that was recorded; the message names the file."""


def _line(text: str) -> str:
    """A mistake as one line."""
    return legible(text).replace("\n", "\\n")


def legible(text: str) -> str:
    """A message that a terminal can print and a person can read."""
    spelled = "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)
    short = LONG_WORD.sub(lambda found: _shortened(found[0], 300), spelled)
    return "\n".join(_shortened(line, LONGEST) for line in short.split("\n"))


def _shortened(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: length * 2 // 3]} [...] {text[-length // 5 :]}"
