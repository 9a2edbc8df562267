"""What data say of each parameter of a model, said plainly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.optimisation import Local
from cellula.models.mechanistic.profile_likelihood import Profile

__all__ = ["Finding", "Identifiability", "TradeOff", "finding", "trade_offs"]

Floats = NDArray[np.float64]
Identifiability: TypeAlias = Literal["identifiable", "practical", "structural", "unknown"]
#: A profile that rises by no more than this share of its threshold is flat.
FLAT = 0.02
#: It has to be so for this share of the distance between the bounds.
FAR = 0.2
#: Directions in which the scaled Fisher information is less than this are null.
NULL = 1e-6
#: Parameters with a smaller share of a direction are not named.
SHARE = 0.1


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """What a profile says: ``kind``, the interval on the parameter's own scale, and the words.

    kind: ``practical`` and ``structural`` are ways of not being identifiable. lower, upper: not
    scaled; the parameter's bound where the interval is open.
    """

    id: str
    kind: Identifiability
    lower: float
    upper: float
    words: str


@final
@dataclass(frozen=True, slots=True)
class TradeOff:
    """Parameters that can move together without a change in what is observed.

    shares: parameter -> how it moves, on its scale, of a direction of length 1; the largest
    first. A single one has no effect at all.
    """

    shares: tuple[tuple[str, float], ...]

    @property
    def words(self) -> str:
        """The parameters, and which way they go."""
        if len(self.shares) == 1:
            return f"{self.shares[0][0]} has no effect on what was measured"
        parts = [f"{id} {'up' if share > 0 else 'down'}" for id, share in self.shares]
        return "these trade off: " + ", ".join(parts)


def finding(profile: Profile, unscaled: Callable[[float], float]) -> Finding:
    """What a profile likelihood says of its parameter [raue2009]_.

    unscaled: from the scale of estimation to the parameter's own. Identifiable: the profile
    passes the threshold on both sides. Practically not: on one side at least it does not before
    the bound. Structurally not: it is flat as far as the other parameters can make up for it,
    over a fifth of the distance between its bounds at least.
    """
    is_open = math.isinf(profile.lower), math.isinf(profile.upper)
    lower = unscaled(profile.bounds[0] if is_open[0] else profile.lower)
    upper = unscaled(profile.bounds[1] if is_open[1] else profile.upper)

    def told(kind: Identifiability, words: str) -> Finding:
        return Finding(profile.id, kind, lower, upper, words)

    if profile.rise <= FLAT * profile.threshold and profile.reach >= FAR:
        until = "" if profile.is_free.all() else " until another parameter meets its bound"
        return told("structural", f"structurally not identifiable: the profile is flat{until}")
    cut = [word for word, one in zip(("below", "above"), profile.is_cut, strict=True) if one]
    if cut:
        return told("unknown", f"the profile ends {' and '.join(cut)} before bound and threshold")
    if not any(is_open):
        return told("identifiable", f"identifiable: [{lower:.4g}, {upper:.4g}]")
    if all(is_open):
        return told("practical", "practically not identifiable: open below and above")
    if is_open[0]:
        return told("practical", f"practically not identifiable: open below {upper:.4g}")
    return told("practical", f"practically not identifiable: open above {lower:.4g}")


def trade_offs(ids: Sequence[str], local: Local) -> tuple[TradeOff, ...]:
    """The null directions of the Fisher information, each parameter in units of its own.

    With F_ij / sqrt(F_ii F_jj), an eigenvalue of less than :data:`NULL` is a direction in which
    nothing that was measured changes, to first order at this point.
    """
    information = local.curvature
    size = np.sqrt(np.diag(information))
    is_moving = size > math.sqrt(NULL) * size.max(initial=0.0)
    found = [TradeOff(((id, 1.0),)) for id, moves in zip(ids, is_moving, strict=True) if not moves]
    moving = np.flatnonzero(is_moving)
    if not len(moving):
        return tuple(found)
    scaled = information[np.ix_(moving, moving)] / np.outer(size[moving], size[moving])
    values, vectors = np.linalg.eigh(scaled)
    for vector in vectors.T[values < NULL]:
        direction = vector / size[moving]
        direction /= np.linalg.norm(direction)
        order = np.argsort(-np.abs(direction), kind="stable")
        sign = np.sign(direction[order[0]])
        shares = [(ids[moving[k]], float(sign * direction[k])) for k in order]
        found.append(TradeOff(tuple(one for one in shares if abs(one[1]) >= SHARE)))
    return tuple(found)
