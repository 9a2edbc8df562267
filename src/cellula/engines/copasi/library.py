"""COPASI's library, loaded without what loading it does to the process.

On import it sets the locale to C, after which Python reads and writes text as ASCII.
"""

from __future__ import annotations

import locale

BEFORE = locale.setlocale(locale.LC_ALL)

import COPASI  # noqa: E402

locale.setlocale(locale.LC_ALL, BEFORE)

__all__ = ["COPASI"]
