"""A submission under the rules of a preset."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from anndata import AnnData

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.evaluation.presets.definition import Outcome, Preset
from cellula.evaluation.presets.panel import panel
from cellula.evaluation.presets.vcc2025 import VCC2025
from cellula.evaluation.presets.vcc2026 import VCC2026

__all__ = ["PRESETS", "evaluate_preset", "preset_of"]

PRESETS: Mapping[str, Preset] = MappingProxyType({p.name: p for p in (VCC2025, VCC2026)})


def preset_of(name: str) -> Preset:
    """The preset of a name. Raises DataError with the names there are."""
    if name not in PRESETS:
        raise DataError(f"there is no preset {name!r}; there are {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def evaluate_preset(
    preset: str,
    real: AnnData,
    predicted: AnnData,
    *,
    perturbation: str,
    control: str,
    run: RunContext,
) -> Outcome:
    """Every metric of a preset, perturbation by perturbation, with what to read beside them.

    real, predicted: cells x the same genes; perturbation: the obs column of labels on both sides;
    control: the label of the controls. Pure: neither matrix is changed, and the number of threads
    of the run changes no number. Raises DataError where the two do not fit or hold other values
    than the preset takes.
    """
    rules = preset_of(preset)
    pair = panel(real, predicted, perturbation=perturbation, control=control)
    columns, cautions = rules.columns(pair, run, own_controls=False)
    return Outcome(rules.name, pair.perturbations, columns, cautions)
