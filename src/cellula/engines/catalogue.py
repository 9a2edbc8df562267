"""Foreign engines that run in this process, beside their licences."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

__all__ = ["ENGINES", "Engine", "version_of"]


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine of an optional package. extra: what installs it; package: as registries call it."""

    name: str
    what: str
    package: str
    license: str
    extra: str


ENGINES = (
    Engine("bngsim", "networks: CVODE and SSA", "bngsim", "MIT", "bngsim"),
    Engine("cobra", "flux balance (GLPK)", "cobra", "LGPL-2.0-or-later", "cobra"),
    Engine("copasi", "SBML: LSODA and SSA", "python-copasi", "Artistic-2.0", "copasi"),
    Engine("dask", "many machines", "distributed", "BSD-3-Clause", "cluster"),
    Engine("fides", "descents between bounds", "fides", "BSD-3-Clause", "fitting"),
    Engine("maboss", "Boolean networks in continuous time", "cmaboss", "BSD-3-Clause", "maboss"),
    Engine("myokit", "excitable cells: CVODES", "myokit", "BSD-3-Clause", "myokit"),
    Engine("readdy", "particles that react within a radius", "readdy", "BSD-3-Clause", "readdy"),
    Engine("roadrunner", "SBML: CVODE and SSA", "libroadrunner", "Apache-2.0", "roadrunner"),
    Engine("scvi", "networks of counts of cells", "scvi-tools", "BSD-3-Clause", "scvi"),
    Engine("smoldyn", "particles that react where they meet", "smoldyn", "LGPL-2.1", "smoldyn"),
)


def version_of(engine: Engine) -> str:
    """The version that is installed, "" where it is not."""
    try:
        return version(engine.package)
    except PackageNotFoundError:
        return ""
