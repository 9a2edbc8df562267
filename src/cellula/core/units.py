"""Canonical units and the only conversions to them: molar, seconds, millivolts.

Inside cellula a dose is in mol/l (``dose_molar``) and a time in seconds (``time_s``);
files may say otherwise, and are converted at the door with :func:`convert`.
"""

from __future__ import annotations

from cellula.core.errors import DataError

__all__ = ["UNITS", "convert"]

#: Unit -> (dimension, factor, divisor) to the canonical unit of that dimension. Small units
#: divide: 10 uM and 10,000 nM are then the same number, 1e-5.
UNITS: dict[str, tuple[str, float, float]] = {
    "M": ("dose_molar", 1.0, 1.0),
    "mM": ("dose_molar", 1.0, 1e3),
    "uM": ("dose_molar", 1.0, 1e6),
    "nM": ("dose_molar", 1.0, 1e9),
    "pM": ("dose_molar", 1.0, 1e12),
    "s": ("time_s", 1.0, 1.0),
    "ms": ("time_s", 1.0, 1e3),
    "min": ("time_s", 60.0, 1.0),
    "h": ("time_s", 3600.0, 1.0),
    "d": ("time_s", 86400.0, 1.0),
    "mV": ("v_mv", 1.0, 1.0),
    "V": ("v_mv", 1e3, 1.0),
}


def convert(value: float, unit: str, to: str) -> float:
    """Convert ``value`` in ``unit`` to the canonical quantity ``to`` (``"dose_molar"`` ...).

    Raises DataError on an unknown unit or on a unit of another dimension.
    """
    known = [name for name, (dimension, _, _) in UNITS.items() if dimension == to]
    if unit not in known:
        raise DataError(f"unit {unit!r} cannot become {to}; expected one of {', '.join(known)}")
    _, factor, divisor = UNITS[unit]
    return value * factor / divisor
