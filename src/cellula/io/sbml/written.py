"""A network as SBML text."""

from __future__ import annotations

from cellula.core.expression import symbols
from cellula.core.network import Network
from cellula.io.sbml.called import write_called
from cellula.io.sbml.target import Target, event_ids, target_for
from cellula.io.sbml.units import MODEL_UNITS
from cellula.io.sbml.written_flux import FBC, FluxText, flux_text
from cellula.io.sbml.written_parts import (
    stoichiometries,
    write_compartments,
    write_functions,
    write_parameters,
    write_rules,
    write_species,
    write_units,
)
from cellula.io.sbml.written_reactions import write_events, write_reactions
from cellula.io.xml_text import Attributes

__all__ = ["sbml_text"]


def sbml_text(network: Network, level: int = 3, version: int | None = None) -> str:
    """A network as SBML; numbers are written so that they are read back equal.

    level, version: 3.2, 3.1, 2.5 or 2.4; without a version the latest, which is 3.1 where a
    reaction is fast. An id that SBML does not allow (``membrane.V``) gets another
    (:func:`~cellula.io.sbml.sbml_ids`), and an annotation says so to our reader. Raises
    DataError, naming the element, on what this level cannot say.
    """
    if version is None:
        is_fast = any(one.is_fast for one in network.reactions)
        version = 4 if level == 2 else 1 if is_fast else 2
    target = target_for(network, level, version)
    if level == 2:
        _check_stoichiometries(target, network)
    fluxes = flux_text(target, network)
    place = f"http://www.sbml.org/sbml/level{level}/version{version}"
    head: Attributes = {
        "xmlns": f"{place}/core" if level == 3 else place,
        "xmlns:fbc": None if fluxes is None else FBC,
        "level": str(level),
        "version": str(version),
        "fbc:required": None if fluxes is None else False,
    }
    with target.xml.block("sbml", head):
        _write_model(target, network, fluxes)
    return target.xml.text


def _write_model(target: Target, network: Network, fluxes: FluxText | None) -> None:
    own, *events = event_ids(network)
    told = {"id": own, **_model_attributes(target, network)}
    if fluxes is not None:
        told["fbc:strict"] = "true" if fluxes.is_strict else "false"
    with target.xml.block("model", told):
        originals = (network.id, *(event.id for event in network.events))
        called = {sid: id for id, sid in target.ids.items()}
        write_called(target.xml, called | dict(zip((own, *events), originals, strict=True)))
        write_functions(target, network)
        write_units(target, network)
        write_compartments(target, network)
        write_species(target, network)
        write_parameters(target, network, () if fluxes is None else fluxes.parameters)
        write_rules(target, network)
        write_reactions(target, network, {} if fluxes is None else fluxes.reactions)
        write_events(target, network, tuple(events))
        if fluxes is not None:
            for line in fluxes.markup:
                target.xml.raw(line)


def _model_attributes(target: Target, network: Network) -> dict[str, str | None]:
    factor = network.conversion_factor
    if target.level == 2:
        if factor is not None:
            raise target.refuse(f"the conversion factor {factor!r} of the model")
        return {}
    told = {name: target.unit(network.units.get(what, "")) for what, name in MODEL_UNITS.items()}
    return {**told, "conversionFactor": None if factor is None else target.id(factor)}


def _check_stoichiometries(target: Target, network: Network) -> None:
    """No formula of Level 2 may name a stoichiometry."""
    own = stoichiometries(network)
    for where, expression in network.expressions():
        named = own.intersection(symbols(expression))
        if named:
            raise target.refuse(f"that {where} names the stoichiometry {min(named)!r}")
    if own & network.initial.keys():
        raise target.refuse(f"the initial value of {min(own & network.initial.keys())!r}")
