"""Weights of a network as arrays by name, and back: what the state of a learned model holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellula.core.errors import DataError

__all__ = ["load_weights", "weights_of"]


def weights_of(module: torch.nn.Module, prefix: str = "weights") -> dict[str, NDArray[Any]]:
    """All parameters and buffers of a network, copied: ``prefix.NAME`` -> array."""
    return {
        f"{prefix}.{name}": tensor.detach().cpu().numpy().copy()
        for name, tensor in module.state_dict().items()
    }


def load_weights(
    module: torch.nn.Module, arrays: Mapping[str, NDArray[Any]], prefix: str = "weights"
) -> None:
    """Put the arrays of :func:`weights_of` into a network of the same form.

    Raises DataError, naming it, on a weight that is missing or has another shape.
    """
    known = module.state_dict()
    given = {name: arrays.get(f"{prefix}.{name}") for name in known}
    for name, tensor in known.items():
        array = given[name]
        if array is None or tuple(array.shape) != tuple(tensor.shape):
            found = "nothing" if array is None else f"an array of shape {array.shape}"
            raise DataError(
                f"weight {name!r} is {found}; expected shape {tuple(tensor.shape)}: the state "
                "belongs to a model with other options"
            )
    module.load_state_dict(
        {name: torch.from_numpy(np.array(array)) for name, array in given.items()}
    )
