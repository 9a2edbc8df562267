"""PEtab, parameter estimation problems of models in SBML; needs the extra ``sbml``."""

from cellula.io.petab.format import Petab

__all__ = ["Petab"]
