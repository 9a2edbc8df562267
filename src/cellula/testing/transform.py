"""The rules of :class:`~cellula.core.transform.Transform`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from mudata import set_options
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.matrix import dense
from cellula.core.run import RunContext, run_context
from cellula.core.transform import FittedTransform, Transform
from cellula.testing.examples import examples
from cellula.testing.rule import NotConformant, Rules, refuses

__all__ = ["TransformConformance"]

SEED = 7


@final
@dataclass(frozen=True, slots=True)
class TransformConformance:
    """Every rule that a transform keeps, on example datasets of several shapes.

    It may refuse a shape with a DataError, but must accept one at least.
    """

    plugin: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Dataset] = field(default_factory=examples)

    def check(self, run: RunContext) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        accepted = 0
        for name, data in self.data.items():
            probe = data.take(np.ones(data.n_profiles, bool))  # a copy: a fit may change it
            if refuses(lambda probe=probe: self._fit(probe, run)):
                continue
            accepted += 1
            self.check_apply(name, data, run)
            self.check_state(name, data, run)
            self.check_strange_batch(name, data, run)
        shapes = ", ".join(self.data)
        self._rules().require(accepted > 0, f"it accepts one of the shapes {shapes} at least")

    def check_declaration(self) -> None:
        """Name, options and references are declared."""
        rules, transform = self._rules(), self._transform()
        rules.check_declaration(self.plugin, Transform, transform)
        rules.check_references(self.plugin)
        rules.check_options(self.plugin.options_type, transform.options)

    def check_apply(self, name: str, data: Dataset, run: RunContext) -> None:
        """The same profiles in the same order, finite; nothing it was given is changed."""
        rules = self._rules(name)
        with rules.leaves(data=data):
            fitted = self._fit(data, run)
        rules.require(isinstance(fitted, FittedTransform), "fit returns a FittedTransform")
        with rules.leaves(data=data):
            result = fitted.apply(data)
        rules.require(isinstance(result, Dataset), "apply returns a Dataset", type(result).__name__)
        rules.require(
            list(result.obs.index) == list(data.obs.index), "the same profiles in the same order"
        )
        _require_finite(rules, result)
        again = self._fit(data, run).apply(data)
        _check_same(rules, "the same seed, the same", result, again)

    def check_state(self, name: str, data: Dataset, run: RunContext) -> None:
        """A transform restored from stored arrays and JSON does the same."""
        rules = self._rules(name)
        fitted = self._fit(data, run)
        restored = self._transform().restore(rules.carry(fitted.state()))
        _check_same(rules, "restored, it gives equal", fitted.apply(data), restored.apply(data))

    def check_strange_batch(self, name: str, data: Dataset, run: RunContext) -> None:
        """Profiles of a batch never seen: finite values or a DataError that names it."""
        if not data.has_role("batch"):
            return
        rules, fitted = self._rules(name), self._fit(data, run)
        part = data.take(np.arange(min(6, data.n_profiles)))
        with set_options(pull_on_update=False):
            strange = part.data.copy()
        strange.obs["batch"] = "never_seen_batch"
        try:
            result = fitted.apply(replace(part, data=strange))
        except DataError as error:
            rules.require("never_seen_batch" in str(error), "a refusal names the batch", error)
        except (LookupError, TypeError, ValueError) as error:
            raise NotConformant(f"{rules.subject}: a strange batch gave {error!r}") from error
        else:
            _require_finite(rules, result)

    def _rules(self, example: str = "") -> Rules:
        subject = f"transform {getattr(self.plugin, 'name', self.plugin)!r}"
        return Rules(f"{subject} on {example}" if example else subject)

    def _transform(self) -> Any:
        return self.plugin(self.plugin.options_type(**self.options))

    def _fit(self, data: Dataset, run: RunContext) -> Any:
        return self._transform().fit(data, run_context(SEED, run.scratch, threads=run.threads))


def _numbers(data: Dataset) -> dict[str, NDArray[Any]]:
    """The values of every modality and the coordinates of the profiles, by name."""
    modalities: Mapping[str, Any] = getattr(data.data, "mod", {"": data.data})
    found: dict[str, NDArray[Any]] = {
        f"values {name}".rstrip(): dense(part.X) for name, part in modalities.items()
    }
    for key in data.data.obsm:
        array = np.asarray(data.data.obsm[key])
        if array.dtype.kind == "f":
            found[f"obsm {key!r}"] = array
    return found


def _require_finite(rules: Rules, data: Dataset) -> None:
    for name, array in _numbers(data).items():
        rules.require(bool(np.isfinite(array).all()), f"every number of {name} is finite")


def _check_same(rules: Rules, rule: str, left: Dataset, right: Dataset) -> None:
    one, two = _numbers(left), _numbers(right)
    rules.require(set(one) == set(two), f"{rule} coordinates", sorted(set(one) ^ set(two)))
    for name, array in one.items():
        rules.check_same(f"{rule} {name}", array, two[name])
