"""Test systems and models for a question: what suits, what only explores, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from cellula.applications.routing.bearers import bearers
from cellula.applications.routing.endpoints import Endpoint, endpoint
from cellula.applications.routing.mechanisms import ASSOCIATION, SCALES, mechanism
from cellula.applications.routing.systems import SYSTEMS, TestSystem
from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.errors import MissingExtra, PluginError, StudyError
from cellula.core.model import Capabilities
from cellula.core.numerals import plural
from cellula.core.report import Report

__all__ = ["Choice", "RouteOptions", "Status", "run"]

Status = Literal["suitable", "exploratory", "refused"]
#: Order in a table.
ORDER = ("suitable", "exploratory", "refused")
#: Kinds of plug-in that answer questions.
KINDS = ("model", "simulator", "flux_solver")


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """mechanism: what has to bear the answer; ``association`` where a prediction is enough.

    claim: what will be unseen, None where that is open.
    """

    mechanism: str = ASSOCIATION
    claim: ClaimKind | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A model or a test system, whether it suits, and why."""

    name: str
    kind: str
    status: Status
    reason: str


def run(asked: str, options: RouteOptions | None = None) -> Report:
    """The route for an endpoint: tables ``models`` and ``systems`` (name, kind, status, reason).

    A model suits when it bears the mechanism; where a mechanism is asked for, a model fitted to
    data alone is exploratory, and what is decided in space is for models of space. What suits is
    not yet good: a study judges it. Raises StudyError on an endpoint or a mechanism that is not
    known, naming the nearest, and on a mechanism that does not bear the endpoint.
    """
    options = options or RouteOptions()
    wanted, needed = endpoint(asked), mechanism(options.mechanism)
    if needed.name not in wanted.mechanisms:
        raise StudyError(
            f"{needed.name} does not bear {wanted.name}; it is borne by "
            f"{', '.join(wanted.mechanisms)}: ask for one of these"
        )
    models = [_model(kind, name, wanted, options) for kind, name in _plugins()]
    systems = [_system(one, wanted, options.mechanism) for one in SYSTEMS]
    told = f"{wanted.name} ({wanted.what}) by {needed.name} ({needed.what})"
    suit = [sum(one.status == "suitable" for one in some) for some in (models, systems)]
    cautions = () if suit[0] else ("no model here suits: the question stays with the laboratory",)
    return Report(
        f"Route for {wanted.name}",
        f"{told}: {plural(suit[0], 'model')} and {plural(suit[1], 'test system')} suit",
        {"models": suit[0], "systems": suit[1]},
        {"models": _table(models), "systems": _table(systems)},
        cautions,
    )


def _plugins() -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        for name in registry.names(kind):
            yield kind, name


def _table(choices: list[Choice]) -> pd.DataFrame:
    ordered = sorted(choices, key=lambda one: ORDER.index(one.status))
    columns = ["name", "kind", "status", "reason"]
    rows = [(one.name, one.kind, one.status, one.reason) for one in ordered]
    return pd.DataFrame(rows, columns=columns)


def _model(kind: str, name: str, wanted: Endpoint, options: RouteOptions) -> Choice:
    """What becomes of a plug-in."""
    status, reason = _by_mechanism(kind, name, wanted, options.mechanism)
    if status == "refused":
        return Choice(name, kind, status, reason)
    try:
        plugin = registry.load(kind, name)
    except MissingExtra as error:
        return Choice(name, kind, status, f"{reason}; {str(error).partition('; ')[2]}")
    except PluginError as error:
        return Choice(name, kind, "refused", str(error))
    capabilities = getattr(plugin, "capabilities", None)
    if not isinstance(capabilities, Capabilities):
        return Choice(name, kind, status, reason)
    if options.claim is not None and options.claim not in capabilities.claims:
        return Choice(name, kind, "refused", f"it has no answer to {options.claim.value}")
    needs = _needs(capabilities)
    return Choice(name, kind, status, f"{reason}; needs {needs}" if needs else reason)


def _by_mechanism(kind: str, name: str, wanted: Endpoint, needed: str) -> tuple[Status, str]:
    own = bearers(kind, name)
    if needed in own:
        return "suitable", f"it bears {needed}"
    if own:
        also = [one for one in own if one in wanted.mechanisms]
        hint = f"; ask for --mechanism {also[0]} to take it" if also else ""
        return "refused", f"it bears {', '.join(own)}, not {needed}{hint}"
    if kind != "model":
        return "refused", "it is not known which mechanism it bears"
    if needed == ASSOCIATION:
        return "suitable", "it is fitted to data of this endpoint"
    if mechanism(needed).is_spatial:
        return "refused", "it knows no places: the question needs a model of space"
    if ASSOCIATION not in wanted.mechanisms:
        return "refused", f"{wanted.name} needs a mechanism, and it is fitted to data alone"
    return "exploratory", f"it is fitted to data alone, and the question needs {needed}"


def _needs(capabilities: Capabilities) -> str:
    """What of the data it cannot do without, in words."""
    words = (
        (capabilities.needs_control, "controls"),
        (capabilities.needs_context_features, "features of contexts"),
        (capabilities.needs_perturbation_features, "features of perturbations"),
        (capabilities.needs_features, "features of contexts or perturbations"),
        (capabilities.needs_structures, "structures of compounds"),
    )
    return ", ".join(word for is_needed, word in words if is_needed)


def _system(one: TestSystem, wanted: Endpoint, needed: str) -> Choice:
    """What becomes of a test system."""
    kind = "system"
    if wanted.name not in one.endpoints:
        return Choice(one.name, kind, "refused", f"it does not show {wanted.name}")
    if SCALES.index(one.scale) < SCALES.index(wanted.scale):
        return Choice(
            one.name, kind, "refused", f"it ends at the {one.scale} scale, below {wanted.scale}"
        )
    own = (ASSOCIATION, "kinetics", "low_copy_noise", "regulatory_logic", *one.bears)
    if needed not in own:
        return Choice(one.name, kind, "refused", f"it does not show {needed}")
    return Choice(one.name, kind, "suitable", f"{one.what}; lacks {one.lacks}")
