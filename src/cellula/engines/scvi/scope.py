"""scvi-tools in a scope: one thread, a seed of the run's own, and nothing left behind."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from cellula.core.errors import DataError
from cellula.core.turn import TURN
from cellula.engines.scvi.package import streams_kept
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["device_of", "foreign_scope"]

#: Loggers that tell of devices, epochs and data splits.
TALKATIVE = ("scvi", "lightning", "lightning.pytorch", "lightning.fabric")


@contextmanager
def foreign_scope(seed: int, device: str = "cpu") -> Iterator[torch.device]:
    """Within this block the process belongs to scvi-tools; afterwards it is as before.

    Put back are the streams of Python, NumPy and torch, torch's threads and deterministic mode,
    warnings, levels of loggers and the environment. One block at a time, the scopes of our own
    networks included. Raises DataError where the device is not there.
    """
    place = device_of(device)
    with ExitStack() as stack:
        stack.enter_context(TURN)
        stack.enter_context(one_blas_thread())
        stack.enter_context(streams_kept())
        devices = [place] if place.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(_settings_kept())
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 -- scvi-tools draws from it; put back
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        if devices:  # without it torch refuses cuBLAS in deterministic mode
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        yield place


@contextmanager
def _settings_kept() -> Iterator[None]:
    """Loggers are silent; they, torch's settings and the environment are put back."""
    levels = {name: logging.getLogger(name).level for name in TALKATIVE}
    environment, threads = dict(os.environ), torch.get_num_threads()
    is_deterministic = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(is_deterministic)
        torch.backends.cudnn.benchmark = benchmark


def device_of(name: str) -> torch.device:
    """The torch device of this name. Raises DataError where it is none or not there."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DataError(f"{name!r} is no torch device; expected cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DataError(f"the device {name!r} is not there: torch finds no GPU; use cpu")
    return device
