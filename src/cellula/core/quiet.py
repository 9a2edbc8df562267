"""Quiet for foreign code that writes to the streams of the process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_process"]


@contextmanager
def quiet_process() -> Iterator[None]:
    """Standard output and error of the process, not of Python alone, are thrown away meanwhile.

    What other threads write in that time is lost too.
    """
    with tempfile.TemporaryFile() as sink:
        kept = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(sink.fileno(), number)
            yield
        finally:
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
