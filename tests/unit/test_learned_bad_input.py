"""Bad input to every learned model: a clear error or an out-of-domain flag, no silent number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, MissingExtra
from cellula.core.model import Fitted, Model
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, run_context
from cellula.data.data_source import DataSource
from cellula.io.state import state_bytes
from cellula.models.learned.blocks import checkpoint
from cellula.testing.examples import action_potentials, ic50_table, single_cells
from cellula.testing.rule import refuses

Item = TypeVar("Item")
EXAMPLES: dict[str, Callable[[], Dataset]] = {
    "single_cells": single_cells,
    "ic50_table": ic50_table,
    "action_potentials": action_potentials,
}


def is_learned(name: str) -> bool:
    try:
        plugin = registry.load("model", name)
    except MissingExtra:  # tests/unit/test_scvi_*.py ask for what is asked here
        return False
    return str(plugin.__module__).startswith("cellula.models.learned")


#: They answer by means: a control cell only lends its spread.
ANSWER_BY_MEANS = {"deep_ensemble", "drug_graph", "mlp_response", "perturbation_graph"}
LEARNED = [name for name in registry.names("model") if is_learned(name)]


def quick(name: str, epochs: int = 2) -> Model:
    fields = registry.load("model", name).options_type.model_fields
    options = {"train": {"epochs": epochs}} if "train" in fields else {}
    found: Model = registry.create("model", name, options)
    return found


def example_of(name: str, run: RunContext) -> tuple[Dataset, Fitted]:
    """The first example that a model accepts, and the model fitted on it."""
    for make in EXAMPLES.values():
        data = make()
        found: list[Fitted] = []
        if not refuses(
            lambda data=data, found=found: found.append(quick(name).fit(data, None, run))
        ):
            return data, found[0]
    pytest.fail(f"{name} accepts no example")


def asked(data: Dataset, **changed: Any) -> QueryTable:
    """One question of the data that is no control, changed."""
    known = data.treated.queries().take(slice(0, 1))
    labels = {
        key: type(known.perturbation)([value]) if isinstance(value, str) else value
        for key, value in changed.items()
    }
    return replace(known, **labels)


def is_flagged(
    fitted: Fitted, queries: QueryTable, control: Dataset | None, run: RunContext, *words: str
) -> bool:
    """Whether every answer is out of domain; a refusal counts where it names one of the words."""
    flags: list[bool] = []

    def ask() -> None:
        for batch in fitted.predict(queries, control, run):
            assert np.isfinite(batch.mean).all()
            flags.extend(batch.in_domain.tolist())

    refusal = refuses(ask)
    if refusal:
        return any(word in refusal for word in words)
    return len(flags) == len(queries) and not any(flags)


@pytest.mark.requirement("K11")
@pytest.mark.parametrize("name", LEARNED)
def test_a_question_about_the_unknown_is_flagged_or_refused(name: str, run: RunContext) -> None:
    data, fitted = example_of(name, run)
    control = data.controls
    gene = asked(data, perturbation="NOSUCHGENE")
    context = asked(data, context="no_such_context")
    mixed = asked(data, perturbation=f"{data.treated.queries().perturbation[0]}+NOSUCHGENE")
    assert is_flagged(fitted, gene, control, run, "NOSUCHGENE")
    assert is_flagged(fitted, context, control, run, "no_such_context")
    assert is_flagged(fitted, mixed, control, run, "NOSUCHGENE")
    assert not is_flagged(fitted, asked(data), control, run)


@pytest.mark.parametrize("name", LEARNED)
def test_a_dose_or_time_that_training_did_not_have_is_flagged(name: str, run: RunContext) -> None:
    data, fitted = example_of(name, run)
    for role in ("dose_molar", "time_s"):
        strange = asked(data, **{role: np.array([1e9])})
        assert is_flagged(fitted, strange, data.controls, run, "dose", "time"), role


@pytest.mark.parametrize("name", LEARNED)
def test_training_data_that_teach_nothing_are_refused(name: str, run: RunContext) -> None:
    data, _ = example_of(name, run)
    is_control = data.is_control
    few = np.concatenate([np.flatnonzero(~is_control)[:3], np.flatnonzero(is_control)[:3]])
    with pytest.raises(DataError, match=r"\d"):
        quick(name).fit(data.take(few), None, run)
    if is_control.any():
        with pytest.raises(DataError, match="control"):
            quick(name).fit(data.take(is_control), None, run)


@pytest.mark.parametrize("name", LEARNED)
def test_few_or_strange_controls_are_flagged_or_refused(name: str, run: RunContext) -> None:
    data, fitted = example_of(name, run)
    control = data.controls
    assert control is not None
    few = control.take(np.arange(3))
    if name not in ANSWER_BY_MEANS:
        assert is_flagged(fitted, asked(data), few, run, "3", "10")
    other = single_cells(n_readouts=5)
    with pytest.raises(DataError, match="readouts"):
        list(fitted.predict(asked(data), other, run))


def test_a_dose_without_a_unit_is_refused_at_the_door() -> None:
    columns = {"perturbation": "drug", "dose_molar": "dose"}
    with pytest.raises(ValueError, match=r"dose_unit and columns\.dose_molar go together"):
        DataSource(path="doses.csv", role="profiles", columns=columns, readouts=("y",))


class Killed(Exception):
    """What stands for a kill."""


class KilledAfter:
    """A progress under which a training dies in its third epoch."""

    def __init__(self) -> None:
        self.epochs = 0

    def say(self, message: str) -> None:
        """Nobody listens."""

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        for item in items:
            if "epoch" in label:
                self.epochs += 1
            if self.epochs == 3:
                raise Killed
            yield item


@pytest.mark.parametrize("name", LEARNED)
def test_a_fit_that_was_killed_goes_on_to_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    model = quick(name, epochs=5)
    if "train" not in type(model.options).model_fields:
        pytest.skip(f"{name} is not trained by epochs")
    run = run_context(4, tmp_path)
    data, _ = example_of(name, run)
    whole = state_bytes(model.fit(data, None, run).state())
    assert not list(tmp_path.rglob("*"))
    with pytest.raises(Killed):
        model.fit(data, None, replace(run, progress=KilledAfter()))
    assert list(tmp_path.rglob("*.safetensors")), f"{name} gives fit_network no inputs"
    assert state_bytes(model.fit(data, None, run).state()) == whole
    assert not list(tmp_path.rglob("*.safetensors"))
