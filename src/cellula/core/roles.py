"""Roles: what a column of the profiles means. A role is the obs column of the same name."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NUMERIC_ROLES", "ROLES", "role_words"]

#: Role -> what it is.
ROLES: Mapping[str, str] = {
    "perturbation": "label of the perturbation, '+' joining the components of a combination",
    "is_control": "True where the profile is a control",
    "context": "cell type, cell line or tissue state",
    "donor": "individual a sample comes from: a unit of replication",
    "replicate": "replicate experiment: a unit of replication",
    "batch": "plate, lane or run that may shift all its profiles",
    "dose_molar": "dose in mol/l",
    "time_s": "time since the perturbation, in seconds",
    "individual": "the individual followed over time",
    "perturbation_kind": "one of the perturbation kinds",
}
NUMERIC_ROLES = ("dose_molar", "time_s")


def role_words(name: str) -> str:
    """A role, or another name of a study file, in prose: ``time_s`` -> ``time``."""
    bare = name.removesuffix("_molar").removesuffix("_s") if name in NUMERIC_ROLES else name
    return bare.replace("_", " ")
