"""Errors: one tree, each also the builtin it refines."""

from __future__ import annotations

import pytest

from cellula.core import errors
from cellula.core.errors import CellulaError, MissingExtra, StudyError, Tampered


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("DataError", ValueError),
        ("StudyError", ValueError),
        ("PluginError", RuntimeError),
        ("EngineError", RuntimeError),
        ("MissingExtra", ImportError),
        ("NotConverged", RuntimeError),
        ("PrivacyError", PermissionError),
        ("StorageError", OSError),
        ("EvidenceError", RuntimeError),
        ("Tampered", RuntimeError),
    ],
)
def test_an_error_is_caught_as_ours_and_as_the_builtin(name: str, builtin: type[Exception]) -> None:
    kind = getattr(errors, name)
    for expected in (CellulaError, builtin):
        with pytest.raises(expected, match="found 3"):
            raise kind("found 3, expected 4")


def test_the_tree_in_the_docstring_names_every_error() -> None:
    text = str(errors.__doc__)
    kinds = [name for name in errors.__all__ if name[0].isupper()]
    assert [name for name in kinds if name not in text] == []


def test_branches_of_the_tree() -> None:
    assert issubclass(MissingExtra, errors.EngineError)
    assert issubclass(Tampered, errors.EvidenceError)


def test_a_study_error_lists_every_mistake_at_once() -> None:
    error = StudyError("2 mistakes:", ["study.id: missing", "claim[0].kind: 'x'"])
    assert error.mistakes == ("study.id: missing", "claim[0].kind: 'x'")
    assert str(error).splitlines() == ["2 mistakes:", *(f"  {m}" for m in error.mistakes)]
    assert str(StudyError("wrong")) == "wrong"


def test_what_a_message_quotes_is_short_and_printable() -> None:
    said = str(errors.DataError("a.csv holds '\x1b[31m\ud800' and " + "x" * 9000))
    assert "\\x1b[31m\\ud800" in said
    assert said.isprintable()
    assert len(said) < 500
    assert len(str(errors.DataError("word " * 9000))) < 2000
    assert errors.legible(said) == said
