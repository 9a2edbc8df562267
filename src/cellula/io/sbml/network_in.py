"""An SBML document to a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS
from cellula.core.network import Network
from cellula.io.sbml.called import called_in
from cellula.io.sbml.flux_in import with_flux
from cellula.io.sbml.names import Names
from cellula.io.sbml.parts import compartments, functions, parameters, species
from cellula.io.sbml.reactions import reaction_parts
from cellula.io.sbml.rules import constraints, events, initial_assignments, rules
from cellula.io.sbml.source import Source, listed
from cellula.io.sbml.units import model_units

__all__ = ["network_in", "source_of"]


def source_of(document: Any, file: str) -> Source:
    """The model of a document with the ids that its parts have in the network."""
    model = document.getModel()
    ids = called_in(model)
    own = [one.getId() for one in listed(model.getListOfFunctionDefinitions())]
    names = Names({*_taken(model), *FUNCTIONS})
    called = {
        id: names.fresh(f"{id}.function") if id in FUNCTIONS else ids.get(id, id) for id in own
    }
    return Source(document, model, file, ids, called, {})


def network_in(source: Source) -> Network:
    """The network of a document; raises DataError, naming file and line, on what it cannot hold."""
    model = source.model
    names = Names(source.id(id) for id in _taken(model))
    ruled = {one.getVariable() for one in listed(model.getListOfRules())}
    reactions = tuple(reaction_parts(source, names))
    local = [parameter for one in reactions for parameter in one.parameters]
    stoichiometries = [rule for one in reactions for rule in one.rules]
    factor = model.getConversionFactor() if source.level == 3 else ""
    try:
        network = Network(
            id=source.id(model.getId()) or "model",
            compartments=compartments(source, ruled),
            species=species(source),
            parameters=(*parameters(source, ruled), *local),
            reactions=tuple(one.reaction for one in reactions),
            rules=(*rules(source), *stoichiometries),
            events=events(source, names),
            functions=functions(source),
            initial=initial_assignments(source),
            constraints=constraints(source),
            conversion_factor=source.id(factor) if factor else None,
            units=model_units(source),
        )
        return with_flux(source, network)
    except DataError as error:
        if source.file in str(error):
            raise
        raise DataError(f"{source.file}: {error}") from error


def _taken(model: Any) -> Iterator[str]:
    """Every id that stands in the file."""
    parts = (
        model.getListOfFunctionDefinitions(),
        model.getListOfCompartments(),
        model.getListOfSpecies(),
        model.getListOfParameters(),
        model.getListOfReactions(),
        model.getListOfEvents(),
    )
    for part in parts:
        yield from (one.getId() for one in listed(part))
    for reaction in listed(model.getListOfReactions()):
        for side in (reaction.getListOfReactants(), reaction.getListOfProducts()):
            yield from (one.getId() for one in listed(side) if one.getId())
