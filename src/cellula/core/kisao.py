"""Methods of KiSAO, and which simulator with which options does what they say.

The ontology names algorithms and their parameters by numbers [courtot2011]_. Where a simulator
solves the same equations by another method, or draws from the same distribution, it is a
substitute, and whoever runs it says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cellula.core.errors import DataError

__all__ = ["PARAMETERS", "SEED", "Method", "kisao_id", "kisao_of", "method_of"]

#: The parameter that seeds what is random.
SEED = "KISAO:0000488"
#: Parameter -> the option of simulators that it is.
PARAMETERS: Mapping[str, str] = {
    "KISAO:0000209": "rtol",
    "KISAO:0000211": "atol",
    "KISAO:0000415": "max_steps",
    "KISAO:0000467": "max_step",
    "KISAO:0000228": "epsilon",
}


@dataclass(frozen=True, slots=True)
class Method:
    """A method as it is called, and the simulator with the options that stand for it."""

    name: str
    simulator: str
    options: Mapping[str, str] = field(default_factory=dict)
    is_same: bool = False


def _substitutes(simulator: str, names: Mapping[int, str]) -> dict[str, Method]:
    return {f"KISAO:{number:07d}": Method(name, simulator) for number, name in names.items()}


_METHODS: Mapping[str, Method] = {
    **_substitutes("ode", {
        19: "CVODE", 20: "PVODE", 30: "Euler forward method", 31: "Euler backward method",
        32: "explicit fourth-order Runge-Kutta method", 64: "Runge-Kutta based method",
        71: "LSODE", 86: "Fehlberg method", 87: "Dormand-Prince method", 88: "LSODA",
        89: "LSODAR", 94: "Livermore solver", 261: "Euler method", 279: "Adams-Bashforth method",
        280: "Adams-Moulton method", 282: "KINSOL", 283: "IDA",
        288: "backward differentiation formula", 289: "Adams method",
        302: "embedded Runge-Kutta method", 304: "Radau method", 321: "Cash-Karp method",
        355: "DASPK", 356: "DASSL", 379: "Bulirsch-Stoer algorithm", 407: "steady state method",
        408: "Newton-type method", 409: "ordinary Newton method", 432: "IDA-like method",
        433: "CVODE-like method", 434: "Higham-Hall method",
        435: "embedded Runge-Kutta 5(4) method", 436: "Dormand-Prince 8(5,3) method",
        496: "CVODES", 535: "VODE",
    }),
    **_substitutes("ssa", {
        15: "Gillespie first reaction algorithm", 38: "sorting stochastic simulation algorithm",
        241: "Gillespie-like method",
    }),
    **_substitutes("tau_leaping", {
        40: "Poisson tau-leaping method", 45: "implicit tau-leaping method",
        48: "adaptive explicit-implicit tau-leaping method", 74: "binomial tau-leaping method",
        81: "estimated midpoint tau-leaping method", 84: "nonnegative Poisson tau-leaping method",
    }),
    "KISAO:0000033": Method("Rosenbrock method", "ode", {}, True),
    "KISAO:0000029": Method("Gillespie direct algorithm", "ssa", {"method": "direct"}, True),
    "KISAO:0000027": Method(
        "Gibson-Bruck next reaction algorithm", "ssa", {"method": "next_reaction"}, True
    ),
    "KISAO:0000039": Method("tau-leaping method", "tau_leaping", {}, True),
    "KISAO:0000286": Method("Euler-Maruyama method", "langevin", {}, True),
    "KISAO:0000449": Method("synchronous logical model simulation method", "logic", {}, False),
    "KISAO:0000450": Method("asynchronous logical model simulation method", "logic", {}, False),
    "KISAO:0000448": Method("logical model simulation method", "logic", {}, False),
}  # fmt: skip

#: Simulator, ours or foreign -> what it is in the ontology.
_WRITTEN: Mapping[str, str] = {
    "ode": "KISAO:0000033",
    "ssa": "KISAO:0000029",
    "tau_leaping": "KISAO:0000039",
    "langevin": "KISAO:0000286",
    "roadrunner": "KISAO:0000019",
    "bngsim": "KISAO:0000019",
    "copasi": "KISAO:0000088",
}


def kisao_id(text: str) -> str:
    """``KISAO:0000019`` of it, or of ``KISAO_0000019``. Raises DataError on what is no id."""
    found = re.fullmatch(r"KISAO[:_](\d{7})", text.strip())
    if found is None:
        raise DataError(f"{text!r} is no id of KiSAO; expected one such as KISAO:0000019")
    return f"KISAO:{found[1]}"


def method_of(kisao: str) -> Method | None:
    """What stands for a method of KiSAO; None of one that nothing here does."""
    return _METHODS.get(kisao)


def kisao_of(simulator: str) -> str:
    """The method that a simulator is. Raises DataError on one that the ontology has no name for."""
    if simulator not in _WRITTEN:
        raise DataError(
            f"no method of KiSAO is known for the engine {simulator!r}; expected one of "
            f"{', '.join(_WRITTEN)}"
        )
    return _WRITTEN[simulator]
