"""A question to a program in an engine's environment: JSON there, JSON back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellula.core.canonical import canonical_json
from cellula.core.errors import EngineError
from cellula.engines.outside.child import finished
from cellula.engines.outside.environment import Environment, python_of, require

__all__ = ["Question", "answered"]

WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True, slots=True)
class Question:
    """What a worker is asked.

    worker: name of the program among the workers. content: JSON values. seconds: how long the
    answer may take. folder: of the environments, None for the user's.
    """

    worker: str
    content: Mapping[str, Any]
    seconds: float
    folder: Path | None = None


def answered(environment: Environment, question: Question, scratch: Path) -> Any:
    """What the worker answers, JSON values; files lie in ``scratch``, which it works in.

    Raises MissingExtra where the engine is not installed, EngineError, with what the engine said,
    where it fails, answers nothing or takes too long.
    """
    place = require(environment, question.folder)
    scratch.mkdir(parents=True, exist_ok=True)
    asked, answer = scratch / "question.json", scratch / "answer.json"
    asked.write_bytes(canonical_json(question.content))
    answer.unlink(missing_ok=True)
    program = WORKERS / f"{question.worker}.py"
    command = [str(python_of(place)), "-I", str(program), str(asked), str(answer)]
    code, said = finished(command, scratch, question.seconds)
    if code != 0 or not answer.is_file():
        last = "\n".join(f"  {line}" for line in said[-8:]) or "  nothing"
        raise EngineError(
            f"{environment.name} {environment.version} failed (exit code {code}). It said:\n{last}"
        )
    try:
        return json.loads(answer.read_bytes())
    except ValueError as error:
        raise EngineError(f"{environment.name} answered no JSON: {error}") from error
