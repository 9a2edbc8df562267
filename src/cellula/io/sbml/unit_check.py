"""Units of an SBML model that do not fit together."""

from __future__ import annotations

from pathlib import Path

import libsbml

from cellula.io.sbml.document import sbml_document
from cellula.io.text_file import text_bytes

__all__ = ["unit_mismatches"]

UNITS = libsbml.LIBSBML_CAT_UNITS_CONSISTENCY
#: What libsbml could not check because a unit is not declared: no mismatch.
UNCHECKED = {
    libsbml.UndeclaredUnits,
    libsbml.UndeclaredTimeUnitsL3,
    libsbml.UndeclaredExtentUnitsL3,
    libsbml.UndeclaredObjectUnitsL3,
}


def unit_mismatches(path: Path) -> tuple[str, ...]:
    """What libsbml's unit checks find, ``line 12: words``, in the order of the file.

    Numbers do not depend on units, so reading does not fail on them; a mismatch often is a
    factor of 1000 that somebody forgot. Raises DataError as the reader does.
    """
    document = sbml_document(text_bytes(path), path.name, str(path.absolute()))
    document.getErrorLog().clearLog()
    for category in range(libsbml.LIBSBML_CAT_SBML, libsbml.LIBSBML_CAT_MODELING_PRACTICE + 1):
        document.setConsistencyChecks(category, category == UNITS)
    document.checkConsistency()
    found = (document.getError(place) for place in range(document.getNumErrors()))
    return tuple(
        f"line {error.getLine()}: {' '.join(error.getMessage().split())}"
        for error in found
        if error.getCategory() == UNITS and error.getErrorId() not in UNCHECKED
    )
