"""Canonical units and the only conversions to them: molar, seconds, millivolts.

Inside cellula a dose is in mol/l (``dose_molar``) and a time in seconds (``time_s``);
files may say otherwise, and are converted at the door with :func:`convert`.
"""

from __future__ import annotations

from cellula.core.errors import DataError

__all__ = ["UNITS", "convert"]

#: Unit -> (dimension, factor to the canonical unit of that dimension).
UNITS: dict[str, tuple[str, float]] = {
    "M": ("dose_molar", 1.0),
    "mM": ("dose_molar", 1e-3),
    "uM": ("dose_molar", 1e-6),
    "nM": ("dose_molar", 1e-9),
    "pM": ("dose_molar", 1e-12),
    "s": ("time_s", 1.0),
    "ms": ("time_s", 1e-3),
    "min": ("time_s", 60.0),
    "h": ("time_s", 3600.0),
    "d": ("time_s", 86400.0),
    "mV": ("v_mv", 1.0),
    "V": ("v_mv", 1e3),
}


def convert(value: float, unit: str, to: str) -> float:
    """Convert ``value`` in ``unit`` to the canonical quantity ``to`` (``"dose_molar"`` ...).

    Raises DataError on an unknown unit or on a unit of another dimension.
    """
    known = [name for name, (dimension, _) in UNITS.items() if dimension == to]
    if unit not in known:
        raise DataError(f"unit {unit!r} cannot become {to}; expected one of {', '.join(known)}")
    return value * UNITS[unit][1]
