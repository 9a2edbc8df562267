"""Networks that BioNetGen generated from rules, ``.net``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, final

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, Symbol, apply, rewritten
from cellula.core.network import (
    AssignmentRule,
    Compartment,
    Network,
    Parameter,
    Participant,
    Reaction,
    Species,
)
from cellula.io.bionetgen_blocks import Line, blocks
from cellula.io.bionetgen_rates import rate_expression
from cellula.io.infix import parse
from cellula.io.text_file import decoded, text_bytes

__all__ = ["CELL", "BioNetGenNet"]

#: Where species are that name no compartment.
CELL = "cell"
CONSTANTS: Mapping[str, Expression] = {
    "_pi": Number(3.141592653589793),
    "_e": Number(2.718281828459045),
    "_NA": Number(6.02214076e23),
    "_kB": Number(1.380649e-23),
    "_R": Number(8.31446261815324),
    "_h": Number(6.62607015e-34),
    "_F": Number(96485.33212331),
}


@final
class BioNetGenNet:
    """Reads a network that BioNetGen generated [harris2016]_, ``.net``, plain or gzipped.

    Species are amounts in molecules, ``S1``, ``S2``, ... as they are numbered, their pattern is
    their name; with ``$`` it is a boundary species. Reactions are ``R1``, ``R2``, ... (``species1``
    and ``reaction1`` where something else is called so). Observables and global functions are
    parameters that follow assignment rules; an observable that is called as a parameter is
    ``observable_`` and its name. A rate is what the file
    says times its reactants, two of a kind as their square: the deterministic rate. Volumes are
    in the numbers of the file already.
    """

    name: ClassVar[str] = "bionetgen_net"
    suffixes: ClassVar[tuple[str, ...]] = (".net", ".net.gz")

    def read(self, path: Path) -> Network:
        """The network, with the file's name as its id.

        Raises DataError, naming file, line and what it is, on a file that is absent or cut short,
        a number of a species that is not there, a formula or a rate law (``FunctionProduct``,
        ``tfun``) that is not known.
        """
        text = decoded(text_bytes(path), path.name)
        found = blocks(text, path.name)
        for needed in ("species", "reactions"):
            if needed not in found:
                raise DataError(
                    f"{path.name} has no block of {needed}; expected a network that BioNetGen "
                    "generated"
                )
        functions = [line.words[1] for line in found.get("functions", ()) if len(line.words) > 1]
        own = {name.partition("(")[0]: 0 for name in functions}
        return _File(path.name, found, own).network(path.name.partition(".")[0] or path.name)


@final
@dataclass(frozen=True, slots=True)
class _File:
    """The blocks of one file, and its own functions with their number of arguments: 0."""

    name: str
    blocks: Mapping[str, tuple[Line, ...]]
    own: Mapping[str, int]

    def network(self, id: str) -> Network:
        places, initial = self._compartments()
        species = tuple(self._species(places, initial))
        parameters = tuple(self._parameters(initial))
        observables = dict(self._observables(species))
        functions = dict(self._functions())
        followed = tuple(
            Parameter(name, None, is_constant=False) for name in (*observables, *functions)
        )
        rules = {**observables, **functions}
        return Network(
            id,
            places,
            species,
            (*parameters, *followed),
            tuple(self._reactions(species)),
            tuple(AssignmentRule(name, expression) for name, expression in rules.items()),
            initial=initial,
            units={"substance": "item"},
        )

    # -- blocks --------------------------------------------------------------------------------
    def _compartments(self) -> tuple[tuple[Compartment, ...], dict[str, Expression]]:
        found: list[Compartment] = []
        initial: dict[str, Expression] = {}
        for line in self.blocks.get("compartments", ()):
            words = line.words
            if len(words) < 3 or not words[1].isdigit():
                continue  # as BioNetGen 2.1 wrote them; the numbers of the file have the volumes
            size = self._formula(words[2], line)
            value = size.value if isinstance(size, Number) else None
            found.append(Compartment(words[0], value, True, float(words[1])))
            if value is None:
                initial[words[0]] = size
        return (*found, Compartment(CELL)), initial

    def _parameters(self, initial: dict[str, Expression]) -> Iterator[Parameter]:
        for line in self._numbered("parameters", 2):
            value = self._formula(" ".join(line.words[2:]), line)
            name = line.words[1]
            if isinstance(value, Number):
                yield Parameter(name, value.value)
            else:
                initial[name] = value
                yield Parameter(name, None)

    def _species(
        self, places: tuple[Compartment, ...], initial: dict[str, Expression]
    ) -> Iterator[Species]:
        known, prefix = {one.id for one in places}, self._prefix("S", "species")
        for number, line in enumerate(self._numbered("species", 3), 1):
            if line.words[0] != str(number):
                raise self._error(line, f"species {line.words[0]}; expected number {number}")
            pattern = line.words[1]
            is_fixed = "$" in pattern
            pattern = pattern.replace("$", "")
            place = pattern[1:].partition(":")[0] if pattern.startswith("@") else CELL
            value = self._formula(" ".join(line.words[2:]), line)
            id = f"{prefix}{number}"
            if not isinstance(value, Number):
                initial[id] = value
            yield Species(
                id,
                place if place in known else CELL,
                value.value if isinstance(value, Number) else None,
                initial_is_amount=True,
                is_amount=True,
                is_boundary=is_fixed,
                name=pattern,
            )

    def _observables(self, species: tuple[Species, ...]) -> Iterator[tuple[str, Expression]]:
        named = {line.words[1] for line in self._numbered("parameters", 2)}
        for line in self._numbered("groups", 2):
            terms: list[Expression] = []
            for term in "".join(line.words[2:]).split(","):
                weight, star, number = term.rpartition("*")
                if not term:
                    continue
                one = Symbol(self._member(number, species, line))
                terms.append(apply("times", self._number(weight, line), one) if star else one)
            name = line.words[1]
            yield f"observable_{name}" if name in named else name, apply("plus", *terms)

    def _functions(self) -> Iterator[tuple[str, Expression]]:
        for line in self._numbered("functions", 3):
            name, _, arguments = line.words[1].partition("(")
            if arguments.strip() not in {")", ""}:
                raise self._error(
                    line, f"function {name!r} has arguments; expected local functions expanded"
                )
            yield name, self._formula(" ".join(line.words[2:]).lstrip("= "), line)

    def _reactions(self, species: tuple[Species, ...]) -> Iterator[Reaction]:
        reaction = self._prefix("R", "reaction")
        for line in self._numbered("reactions", 4):
            number, before, after, *law = line.words
            reactants = [
                self._member(one, species, line) for one in before.split(",") if one != "0"
            ]
            products = [self._member(one, species, line) for one in after.split(",") if one != "0"]
            try:
                rate = rate_expression(law, reactants, partial(self._formula, line=line))
            except DataError as error:
                raise self._error(line, str(error)) from error
            yield Reaction(
                f"{reaction}{number}",
                _together(reactants),
                _together(products),
                rate,
                is_reversible=False,
                name=line.comment,
            )

    def _prefix(self, short: str, long: str) -> str:
        """How numbered ids begin: so that no parameter, observable or function is called so."""
        taken = [
            line.words[1]
            for block in ("parameters", "groups", "functions")
            for line in self.blocks.get(block, ())
            if len(line.words) > 1
        ]
        return long if any(re.match(rf"{short}\d+\b", one) for one in taken) else short

    # -- words ---------------------------------------------------------------------------------
    def _numbered(self, block: str, fewest: int) -> Iterator[Line]:
        for line in self.blocks.get(block, ()):
            if len(line.words) < fewest or not line.words[0].isdigit():
                raise self._error(line, f"{line.text!r} is no line of {block}")
            yield line

    def _formula(self, text: str, line: Line) -> Expression:
        """A formula; a call of a global function is its name."""
        try:
            found = parse(text, own=self.own, constants=CONSTANTS)
        except DataError as error:
            raise self._error(line, str(error)) from error

        def plain(node: Expression) -> Expression:
            is_call = isinstance(node, Apply) and node.function in self.own
            return Symbol(node.function) if is_call and isinstance(node, Apply) else node

        return rewritten(found, plain)

    def _member(self, number: str, species: tuple[Species, ...], line: Line) -> str:
        if not number.isdigit() or not 1 <= int(number) <= len(species):
            raise self._error(line, f"no species {number!r}; there are 1 to {len(species)}")
        return species[int(number) - 1].id

    def _number(self, text: str, line: Line) -> float:
        try:
            return float(text)
        except ValueError:
            raise self._error(line, f"{text!r} is no number") from None

    def _error(self, line: Line, problem: str) -> DataError:
        return DataError(f"{self.name}, line {line.number}: {problem}")


def _together(ids: list[str]) -> tuple[Participant, ...]:
    """Each species once, with how often it takes part."""
    return tuple(Participant(id, float(ids.count(id))) for id in dict.fromkeys(ids))
