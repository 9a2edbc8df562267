"""SBML, the Systems Biology Markup Language; needs the extra ``sbml``."""

from cellula.io.sbml.format import Sbml, network_of

__all__ = ["Sbml", "network_of"]
