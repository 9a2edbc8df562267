"""PEtab, parameter estimation problems of models in SBML; needs the extra ``sbml``."""

from cellula.io.petab.format import Petab
from cellula.io.petab.profiles import PetabConditions, PetabProfiles, PetabTimes

__all__ = ["Petab", "PetabConditions", "PetabProfiles", "PetabTimes"]
