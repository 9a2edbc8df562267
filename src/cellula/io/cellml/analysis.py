"""CellML text to libcellml's analysis: which variables are states, constants, computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcellml

from cellula.core.errors import DataError
from cellula.io.cellml.operators import check_operators
from cellula.io.cellml.units import check_units
from cellula.io.xml_root import xml_root

__all__ = ["Analysis", "analysed"]

CELLML = "http://www.cellml.org/cellml/"


@dataclass(frozen=True, slots=True)
class Analysis:
    """model owns what found tells of. own: (component, variable) -> the one that stands for it.

    The variables that are connected are one variable; libcellml chooses which stands for them.
    """

    file: str
    model: Any
    found: Any
    own: dict[tuple[str, str], Any] = field(default_factory=dict)

    def variable(self, variable: Any) -> Any:
        """The analysed variable that a component's variable is."""
        key = (variable.parent().name(), variable.name())
        if key not in self.own:
            self.own[key] = self.found.analyserVariable(variable)
        return self.own[key]

    def id(self, variable: Any) -> str:
        """``component.variable`` of the one that stands for it."""
        first = self.variable(variable).variable()
        return f"{first.parent().name()}.{first.name()}"


def analysed(raw: bytes, file: str, folder: Path | None) -> Analysis:
    """The analysis of a CellML 1.0, 1.1 or 2.0 model, imports put in from its folder.

    Raises DataError, with libcellml's words, on a model that cannot be parsed, whose imports are
    not in the folder, or that does not determine its variables.
    """
    root = xml_root(raw, file)
    if root.tag != "model" or not root.namespace.startswith(CELLML):
        raise DataError(
            f"{file}, line {root.line}: <{root.tag}> of {root.namespace!r}; "
            "expected a CellML <model>"
        )
    check_operators(raw, file)
    parser = libcellml.Parser(False)
    model = parser.parseModel(_text(raw, file))
    _require_no_errors(parser, file, "is not valid CellML")
    check_units(model, file)
    if model.hasImports():
        model = _with_imports(model, file, folder)
    analyser = libcellml.Analyser()
    analyser.analyseModel(model)
    found = analyser.analyserModel()
    kind = found.typeAsString(found.type())
    if not found.isValid():
        said = _told(analyser) or "libcellml gives no reason"
        raise DataError(f"{file} cannot be simulated, it is {kind}: {said}")
    return Analysis(file, model, found)


def _text(raw: bytes, file: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error.reason}); save it as UTF-8") from error


def _with_imports(model: Any, file: str, folder: Path | None) -> Any:
    importer = libcellml.Importer(False)
    base = "" if folder is None else f"{folder}/"
    if not importer.resolveImports(model, base):
        raise DataError(f"{file} imports what is not there: {_told(importer)}; put it beside it")
    flat = importer.flattenModel(model)
    if flat is None:
        raise DataError(f"{file} imports what cannot be put in: {_told(importer)}")
    return flat


def _require_no_errors(logger: Any, file: str, what: str) -> None:
    if logger.errorCount():
        raise DataError(f"{file} {what}: {_told(logger)}")


def _told(logger: Any) -> str:
    """The first three errors in libcellml's words."""
    said = [logger.error(at).description() for at in range(min(3, logger.errorCount()))]
    return "; ".join(" ".join(words.split()) for words in said)
