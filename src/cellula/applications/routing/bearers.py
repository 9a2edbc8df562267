"""Which mechanism each model, simulator and solver can bear."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BEARERS", "bearers"]

#: Continuous amounts of molecules over time; what is made of such equations.
KINETIC = ("kinetics", "electrophysiology", "growth", "exposure")
#: Kind of plug-in and name -> mechanisms. A model that is not named is one of association.
BEARERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("simulator", "ode"): KINETIC,
    ("simulator", "roadrunner"): KINETIC,
    ("simulator", "copasi"): (*KINETIC, "low_copy_noise"),
    ("simulator", "bngsim"): (*KINETIC, "low_copy_noise"),
    ("simulator", "amici"): KINETIC,
    ("simulator", "vcell"): KINETIC,
    ("simulator", "myokit"): KINETIC,
    ("simulator", "readdy"): ("low_copy_noise", "diffusion"),
    ("simulator", "smoldyn"): ("low_copy_noise", "diffusion"),
    ("simulator", "ssa"): ("low_copy_noise",),
    ("simulator", "tau_leaping"): ("low_copy_noise",),
    ("simulator", "langevin"): ("low_copy_noise",),
    ("simulator", "logic"): ("regulatory_logic",),
    ("simulator", "maboss"): ("regulatory_logic",),
    ("flux_solver", "highs"): ("metabolism",),
    ("flux_solver", "cobra"): ("metabolism",),
    ("model", "flux_front"): ("metabolism",),
    ("model", "growth_kinetics"): ("growth",),
    ("model", "neural_ode"): ("growth",),
    ("model", "mechanistic_model"): (*KINETIC, "low_copy_noise", "regulatory_logic"),
    ("model", "petab_model"): KINETIC,
    ("model", "petab_residual"): KINETIC,
}


def bearers(kind: str, name: str) -> tuple[str, ...]:
    """The mechanisms that a plug-in can bear; none where it is not known to bear one."""
    return BEARERS.get((kind, name), ())
