"""Which simulator an experiment's methods are done by, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from cellula.core.experiment import Algorithm, Experiment
    from cellula.core.simulation import Simulator

__all__ = ["Chosen", "chosen", "seed_of"]


@final
@dataclass(frozen=True, slots=True)
class Chosen:
    """simulators: by simulation; notes: what was done otherwise than the experiment says."""

    simulators: Mapping[str, Simulator]
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def chosen(experiment: Experiment, engine: str | None, options: Mapping[str, object]) -> Chosen:
    """Simulators by what the experiment asks for, or all of one engine.

    Raises StudyError on a method that nothing here does, unless an engine is named.
    """
    from cellula.core import registry
    from cellula.core.errors import StudyError
    from cellula.core.kisao import method_of

    simulators: dict[str, Any] = {}
    names, notes = {}, list[str]()
    for one in experiment.simulations:
        kisao = one.algorithm.kisao
        method = method_of(kisao)
        if method is None and engine is None:
            raise StudyError(
                f"simulation {one.id!r} asks for the method {kisao}, which no engine here is known "
                "for; name one that may stand for it: --engine NAME"
            )
        given: dict[str, object] = {}
        name = engine or (method.simulator if method else "")
        if method is not None and name == method.simulator:
            given.update(method.options)
        of_file, left = _of_file(one.algorithm, name)
        simulators[one.id] = registry.create("simulator", name, {**given, **of_file, **options})
        names[one.id] = name
        if method is None or not (method.is_same and name == method.simulator):
            asked = kisao if method is None else f"{method.name} ({kisao})"
            notes.append(f"{one.id}: {name} in place of {asked}")
        notes += [f"{one.id}: {name} leaves out {part}" for part in left]
    return Chosen(simulators, tuple(notes), names)


def _of_file(algorithm: Algorithm, name: str) -> tuple[dict[str, object], list[str]]:
    """Options that the file gives and the engine has, and in words those that it has not."""
    from cellula.core import registry
    from cellula.core.errors import StudyError
    from cellula.core.kisao import PARAMETERS, SEED

    known = registry.load("simulator", name).options_type.model_fields
    given: dict[str, object] = {}
    left = []
    for kisao, text in algorithm.parameters.items():
        option = PARAMETERS.get(kisao)
        if option is not None and option in known:
            try:
                value = float(text)
            except ValueError as error:
                raise StudyError(f"{kisao} is {text!r}; expected a number") from error
            given[option] = int(value) if option == "max_steps" else value
        elif kisao != SEED:
            left.append(f"{kisao} = {text}")
    return given, left


def seed_of(experiment: Experiment, otherwise: int) -> int:
    """The seed that a method of the experiment gives. Raises StudyError where two differ."""
    from cellula.core.errors import StudyError
    from cellula.core.kisao import SEED

    given = {
        text for one in experiment.simulations if (text := one.algorithm.parameters.get(SEED, ""))
    }
    if len(given) > 1:
        raise StudyError(f"the experiment has the seeds {', '.join(sorted(given))}; give --seed")
    text = given.pop() if given else str(otherwise)
    if not text.isdigit():
        raise StudyError(f"the experiment has the seed {text!r}; expected a whole number")
    return int(text)
