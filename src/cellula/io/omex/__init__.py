"""COMBINE archives (OMEX): a modelling project in one zip file."""

from cellula.io.omex.content import format_uri, unpacked
from cellula.io.omex.format import Omex

__all__ = ["Omex", "format_uri", "unpacked"]
