"""CellML, the format of models of cardiac and other cells; needs the extra ``cellml``."""

from cellula.io.cellml.form import cellml_form
from cellula.io.cellml.format import CellMl
from cellula.io.cellml.written import cellml_text

__all__ = ["CellMl", "cellml_form", "cellml_text"]
