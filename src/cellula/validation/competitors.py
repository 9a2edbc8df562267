"""The models of a claim: those of the study that can answer it, and the trivial baselines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, MissingExtra, PluginError, StudyError
from cellula.core.model import Capabilities, Composed, Model, located, model_files
from cellula.io.digest import hash_source
from cellula.validation.study import Claim, ModelChoice, Study

__all__ = [
    "BASELINES",
    "Competitor",
    "competitors",
    "model_digests",
    "model_mistakes",
    "study_models",
]

#: What every score is anchored to; always fitted, whether a study names them or not.
BASELINES = ("mean_response", "control")


@dataclass(frozen=True, slots=True)
class Competitor:
    """A model under its name in the study; ``is_baseline`` when it anchors the scores."""

    id: str
    kind: str
    model: Model
    seeds: tuple[int, ...]
    is_baseline: bool

    def answers(self, claim: Claim) -> bool:
        """Whether the model has an answer to claims of this kind."""
        return claim.kind in self.model.capabilities.claims


def model_mistakes(study: Study) -> list[str]:
    """One line for every unknown kind of model and every wrong option, with its path."""
    mistakes: list[str] = []
    for number, choice in enumerate(study.model):
        try:
            _competitor(choice)
        except StudyError as error:
            lines = error.mistakes or (str(error),)
            mistakes += [f"model.{number}.options: {line}" for line in lines]
        except (PluginError, MissingExtra) as error:
            mistakes.append(f"model.{number}.kind: {error}")
    return mistakes


def study_models(study: Study, data: Dataset, folder: Path | None = None) -> tuple[Competitor, ...]:
    """Every model of the study and the baselines, baselines first.

    folder: what relative paths in the options of models start from; None for the current one.
    Raises StudyError or PluginError where :func:`model_mistakes` has found mistakes.
    """
    chosen = [_competitor(choice, folder or Path()) for choice in study.model]
    named = {competitor.kind for competitor in chosen}
    return (*_implied(named, data), *sorted(chosen, key=lambda one: not one.is_baseline))


def model_digests(models: tuple[Competitor, ...], folder: Path) -> dict[str, str]:
    """Path, from ``folder``, of every file that a model reads -> its SHA-256.

    Raises DataError, naming the model, on a file that is not there.
    """
    found: dict[str, str] = {}
    for one in models:
        for path in model_files(one.model):
            if not path.is_file():
                raise DataError(f"model {one.id!r} names {path}, and there is no such file")
            near = path.relative_to(folder) if path.is_relative_to(folder) else path
            found[near.as_posix()] = hash_source(path)
    return dict(sorted(found.items()))


def _competitor(choice: ModelChoice, folder: Path = Path()) -> Competitor:
    model: Model = registry.create("model", choice.kind, choice.options)
    model = located(model, folder)
    return Competitor(choice.id, choice.kind, model, choice.seeds, choice.kind in BASELINES)


def _implied(named: set[str], data: Dataset) -> list[Competitor]:
    """The baselines that the study did not name but that the data allow."""
    found: list[Competitor] = []
    for kind in BASELINES:
        model: Any = registry.create("model", kind)
        if kind not in named and _is_possible(model, data):
            found.append(Competitor(kind, kind, model, (0,), True))
    return found


def _is_possible(model: Model, data: Dataset) -> bool:
    """Whether the data hold what the model, and all it is made of, cannot do without."""
    parts = model.parts if isinstance(model, Composed) else ()
    return _has_needs(model.capabilities, data) and all(_is_possible(one, data) for one in parts)


def _has_needs(capabilities: Capabilities, data: Dataset) -> bool:
    has_features = data.context_features is not None or data.perturbation_features is not None
    return not (
        (capabilities.needs_control and not data.is_control.any())
        or (capabilities.needs_context_features and data.context_features is None)
        or (capabilities.needs_perturbation_features and data.perturbation_features is None)
        or (capabilities.needs_features and not has_features)
        or (capabilities.needs_structures and not data.structures)
    )


def competitors(
    claim: Claim, models: tuple[Competitor, ...], data: Dataset
) -> tuple[Competitor, ...]:
    """The models that compete for a claim, baselines first.

    Raises StudyError when the claim names a model that cannot answer it or cannot be fitted on
    these data; models that the claim does not name are left out silently only by its own list.
    """
    able: list[Competitor] = []
    mistakes: list[str] = []
    for one in models:
        if not one.is_baseline and claim.models and one.id not in claim.models:
            continue
        possible = _is_possible(one.model, data)
        if one.answers(claim) and possible:
            able.append(one)
        elif one.id in claim.models:
            why = "the data lack what it needs" if one.answers(claim) else "it has no answer to it"
            mistakes.append(f"claim {claim.id!r} names {one.id!r}, but {why} ({claim.kind.value})")
    if mistakes:
        raise StudyError(f"{len(mistakes)} mistake(s) in claim {claim.id!r}:", mistakes)
    if not able:
        raise StudyError(f"no model of the study can answer claim {claim.id!r}")
    return tuple(able)
