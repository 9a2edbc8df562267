"""COPASI's library, without what it does to the process.

When it is loaded, and when it reads a model, it sets the locale to C, after which Python reads
and writes text as ASCII.
"""

from __future__ import annotations

import locale
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["COPASI", "kept_locale"]


@contextmanager
def kept_locale() -> Iterator[None]:
    """Within the block COPASI may set the locale; after it, it is as before."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


with kept_locale():
    import COPASI
