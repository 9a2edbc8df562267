"""SBML, the Systems Biology Markup Language; needs the extra ``sbml``."""

from cellula.io.sbml.format import Sbml, network_of
from cellula.io.sbml.target import sbml_ids
from cellula.io.sbml.unit_check import unit_mismatches
from cellula.io.sbml.written import sbml_text
from cellula.io.sbml.written_logic import logic_text

__all__ = ["Sbml", "logic_text", "network_of", "sbml_ids", "sbml_text", "unit_mismatches"]
