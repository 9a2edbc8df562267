"""CellML, the format of models of cardiac and other cells; needs the extra ``cellml``."""

from cellula.io.cellml.format import CellMl

__all__ = ["CellMl"]
