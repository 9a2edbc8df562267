"""Torch in a scope: one thread, deterministic kernels, a random stream of the run's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.turn import TURN
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["TorchScope", "generator_of", "torch_scope"]


@dataclass(frozen=True, slots=True)
class TorchScope:
    """device: where tensors live; generator: a stream on the CPU that the run's seed determines.

    seed: from which that stream began, whatever was drawn since.
    """

    device: torch.device
    generator: torch.Generator
    seed: int


@contextmanager
def torch_scope(run: RunContext, *key: int | str) -> Iterator[TorchScope]:
    """Torch and BLAS on one thread with deterministic kernels; afterwards all is as before.

    The global stream (initial weights, dropout) is set from the run's seed and ``key`` and put
    back. Fits on several Python threads take turns: what they share belongs to the process. Do
    not ``yield`` to a caller inside. Raises DataError where the run's device is not there.
    """
    device = _device(run.device)
    with TURN:  # threads, deterministic kernels and the global stream belong to the process
        n_threads = torch.get_num_threads()
        mode = torch.get_deterministic_debug_mode()
        devices = [device] if device.type == "cuda" else []
        if devices:  # without it torch refuses cuBLAS in deterministic mode
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        with one_blas_thread(), torch.random.fork_rng(devices=devices):
            generator = generator_of(run, *key)
            torch.manual_seed(generator.initial_seed())
            torch.set_num_threads(1)
            torch.set_deterministic_debug_mode("error")  # and no compiler is imported for it
            try:
                yield TorchScope(device, generator, generator.initial_seed())
            finally:
                torch.set_deterministic_debug_mode(mode)
                torch.set_num_threads(n_threads)


def generator_of(run: RunContext, *key: int | str) -> torch.Generator:
    """A stream on the CPU of the run's seed and ``key``; see :meth:`RunContext.child`."""
    seed = int(run.child("torch", *key).rng.integers(2**63))
    return torch.Generator().manual_seed(seed)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DataError(f"{name!r} is no torch device; expected cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DataError(f"the device {name!r} is not there: torch finds no GPU; use cpu")
    return device
