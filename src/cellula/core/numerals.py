"""Numbers as a person reads them: one way in reasons, on the command line and in the dossier.

Two decimals and no leading zero (``.59``), a true minus sign, thousands separated; more
decimals only where two would hide a difference. What is not finite prints as a dash.
"""

from __future__ import annotations

import math

__all__ = [
    "NO_BREAK",
    "apart",
    "at_least",
    "at_most",
    "bound",
    "count",
    "duration",
    "estimate",
    "number",
    "percent",
    "plural",
    "plural_of",
    "size",
    "span",
]

DASH = "–"
MINUS = "−"
#: A narrow no-break space, between a number and its unit.
THIN = "\u202f"
NO_BREAK = "\u00a0"
#: No number is printed with more decimals than this.
MOST_DECIMALS = 4


def number(value: float | None, decimals: int | None = None) -> str:
    """``.59``, ``−.03``, ``1.25``, ``12.5``, ``21,379``; a whole number without decimals.

    decimals: how many at any size; None chooses by size, and gives a bound to what is too
    small to print. None or NaN gives a dash.
    """
    if value is None or not math.isfinite(value):
        return DASH
    if decimals is None:
        if float(value).is_integer():
            return _signed(f"{value:,.0f}")
        if abs(value) < 10.0**-MOST_DECIMALS:
            return "< .0001" if value > 0 else f"> {MINUS}.0001"
        decimals = _decimals(abs(value))
    text = f"{value:,.{decimals}f}"
    if decimals and text.lstrip("-").startswith("0."):
        text = text.replace("0.", ".", 1)
    return _signed(text)


def span(lower: float, upper: float, decimals: int | None = None) -> str:
    """An interval, ``.57–.61``; ``−.03 to .02`` where a sign would blur the dash."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return ""
    places = apart(lower, upper) if decimals is None else decimals
    joint = f"{NO_BREAK}to{NO_BREAK}" if lower < 0 else DASH
    return f"{number(lower, places)}{joint}{number(upper, places)}"


def estimate(value: float | None, lower: float | None, upper: float | None) -> str:
    """A number with its interval where it has one: ``.59 (.57–.61)``."""
    if value is None or lower is None or upper is None:
        return number(value)
    if not all(map(math.isfinite, (value, lower, upper))):
        return number(value)
    places = apart(lower, upper)
    return f"{number(value, places)} ({span(lower, upper, places)})"


def bound(value: float, least: float = 0.001) -> str:
    """A p-value: ``.034``, and ``< .001`` below ``least``."""
    return f"< {number(least, 3)}" if value < least else number(value, 3)


def at_least(value: float, limit: float) -> str:
    """Whether a number reaches a limit from above: ``.64 ≥ .50``, ``.499 < .500``."""
    return _against(value, "≥" if value >= limit else "<", limit)


def at_most(value: float, limit: float) -> str:
    """Whether a number stays within a limit from below: ``.03 ≤ .10``, ``.12 > .10``."""
    return _against(value, "≤" if value <= limit else ">", limit)


def _against(value: float, sign: str, limit: float) -> str:
    """Both with two decimals, or with as many as tell them apart; never a small number as 0."""
    places = 2
    while places < MOST_DECIMALS and round(value, places) == round(limit, places) != value:
        places += 1
    is_small = 0 < abs(value) < 10.0**-places
    return f"{number(value, None if is_small else places)} {sign} {number(limit, places)}"


def count(value: int) -> str:
    """A whole number with its thousands separated: ``21,379``."""
    return _signed(f"{value:,d}")


def plural(n: int, noun: str) -> str:
    """A count with its noun: ``1 context``, ``988 contexts``, ``2 batches``."""
    return f"{count(n)} {noun if n == 1 else plural_of(noun)}"


def plural_of(noun: str) -> str:
    """More than one of it: ``contexts``, ``batches``."""
    return noun + ("es" if noun.endswith(("ch", "s", "x")) else "s")


def percent(share: float | None, decimals: int | None = None) -> str:
    """A share as a percentage: ``90.4 %``, ``95 %``; ``decimals`` fixes how many."""
    if share is None or not math.isfinite(share):
        return DASH
    text = f"{100 * share:.{1 if decimals is None else decimals}f}"
    if decimals is None:
        text = text.removesuffix(".0")
    return _signed(text) + f"{THIN}%"


def duration(seconds: float) -> str:
    """A time a person reads: ``.02 s``, ``6.1 s``, ``2.3 min``, ``1.5 h``."""
    for limit, factor, unit in ((90.0, 1.0, "s"), (5400.0, 60.0, "min")):
        if seconds < limit:
            value = seconds / factor
            return f"{number(value, 2 if value < 1 else 1)}{THIN}{unit}"
    return f"{number(seconds / 3600.0, 1)}{THIN}h"


def size(n_bytes: float) -> str:
    """Bytes in powers of ten: ``640 B``, ``12 MB``, ``1.4 GB``."""
    value, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{number(value, 0 if value >= 10 or unit == 'B' else 1)}{THIN}{unit}"


def _signed(text: str) -> str:
    is_zero = not any(digit in text for digit in "123456789")
    return text.lstrip("-") if is_zero else text.replace("-", MINUS)


def _decimals(magnitude: float) -> int:
    if magnitude >= 100:
        return 0
    if magnitude >= 10:
        return 1
    if magnitude >= 0.01:
        return 2
    return min(MOST_DECIMALS, math.ceil(-math.log10(magnitude)))


def apart(lower: float, upper: float) -> int:
    """Decimals that tell the middle of an interval from its ends, for numbers of their size."""
    half = abs(upper - lower) / 2
    places = _decimals(max(abs(lower), abs(upper), 0.01))
    if half < 10.0**-MOST_DECIMALS:
        return places
    return max(places, min(MOST_DECIMALS - 1, math.ceil(-math.log10(half))))
