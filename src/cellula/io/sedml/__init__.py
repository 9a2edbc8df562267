"""SED-ML, the Simulation Experiment Description Markup Language."""

from cellula.io.sedml.format import SedMl
from cellula.io.sedml.written import sedml_text

__all__ = ["SedMl", "sedml_text"]
