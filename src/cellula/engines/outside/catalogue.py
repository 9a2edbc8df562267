"""Every engine that runs in a process and an environment of its own."""

from __future__ import annotations

from cellula.core.errors import PluginError
from cellula.engines.outside.amici import AMICI
from cellula.engines.outside.bionetgen import BIONETGEN
from cellula.engines.outside.environment import Environment
from cellula.engines.outside.opensim import OPENSIM
from cellula.engines.outside.pysb import PYSB
from cellula.engines.outside.vcell import VCELL

__all__ = ["ENVIRONMENTS", "environment"]

ENVIRONMENTS = (AMICI, BIONETGEN, OPENSIM, PYSB, VCELL)


def environment(name: str) -> Environment:
    """The environment of this name. Raises PluginError, naming all there are, on none."""
    for one in ENVIRONMENTS:
        if one.name == name:
            return one
    raise PluginError(
        f"no engine {name!r} has an environment of its own; there are "
        f"{', '.join(one.name for one in ENVIRONMENTS)}; others come with an extra (cellula "
        "engine list)"
    )
