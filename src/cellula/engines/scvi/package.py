"""The foreign packages, imported once so that warnings and random streams stay as they were."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np

__all__ = ["PACKAGE", "VERSION", "LambdaCallback", "scvi", "streams_kept"]

#: As package registries call it.
PACKAGE = "scvi-tools"


@contextmanager
def streams_kept() -> Iterator[None]:
    """Within this block warnings are silent; Python's and NumPy's global streams are put back."""
    state, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 -- put back
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)
        np.random.set_state(legacy)  # noqa: NPY002 -- put back


with streams_kept():
    import scvi
    from lightning.pytorch.callbacks import LambdaCallback

logging.getLogger("scvi").setLevel(logging.WARNING)
#: Of the package that is installed.
VERSION = version(PACKAGE)
