"""A fitted network of scvi-tools: its class, what it is made with, its weights as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError, NotConverged
from cellula.core.model import State
from cellula.core.turn import TURN
from cellula.engines.scvi.package import PACKAGE, VERSION, scvi, streams_kept

__all__ = ["Network", "blocks"]

#: Profiles that are dense together.
BLOCK = 1024
#: Classes of ``scvi.module``.
KINDS = ("VAE", "SCANVAE", "TOTALVAE", "MULTIVAE")


@final
@dataclass(frozen=True, slots=True)
class Network:
    """kind: a class of ``scvi.module``; arguments: JSON that it was made with."""

    kind: str
    arguments: Mapping[str, Any]
    module: Any

    @classmethod
    def of(cls, kind: str, arguments: Mapping[str, Any], trained: Any) -> Network:
        """A new network with the weights of one that was trained; what trained it is let go.

        Raises NotConverged where a weight is no number.
        """
        weights = {name: _array(tensor) for name, tensor in trained.state_dict().items()}
        for name, array in weights.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise NotConverged(
                    f"the weight {name!r} of {kind} is not finite after training; lower the "
                    "learning rate or look for extreme values in the data"
                )
        return cls._filled(kind, arguments, weights)

    def state(self) -> State:
        """Weights as arrays, the rest as JSON."""
        module = self.module.state_dict()
        arrays = {f"weights.{name}": _array(tensor) for name, tensor in module.items()}
        meta = {"network": self.kind, "arguments": dict(self.arguments), "scvi_tools": VERSION}
        return State(arrays, meta)

    @classmethod
    def restore(cls, state: State) -> Network:
        """The network of a state.

        Raises EngineError where another release of scvi-tools (1.4, say) has written it, which
        may compute other numbers, DataError where its weights are not whole.
        """
        written = str(state.meta["scvi_tools"])
        if written.split(".")[:2] != VERSION.split(".")[:2]:
            raise EngineError(
                f"the state was written with {PACKAGE} {written}, installed is {VERSION}: pip "
                f"install '{PACKAGE}=={written}', or fit it again"
            )
        prefix = "weights."
        weights = {
            name.removeprefix(prefix): np.asarray(array)
            for name, array in state.arrays.items()
            if name.startswith(prefix)
        }
        return cls._filled(str(state.meta["network"]), dict(state.meta["arguments"]), weights)

    @classmethod
    def _filled(
        cls, kind: str, arguments: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]
    ) -> Network:
        if kind not in KINDS:
            raise DataError(f"{kind!r} is no network of {PACKAGE} that is known here")
        with TURN, streams_kept(), torch.random.fork_rng(devices=[]):
            module = getattr(scvi.module, kind)(**arguments)
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
        try:
            module.load_state_dict(tensors)
        except RuntimeError as error:
            raise DataError(f"the weights do not fit {kind}: {error}") from error
        module.eval()
        return cls(kind, arguments, module)


def blocks(n: int) -> Iterator[slice]:
    """Consecutive parts of n profiles."""
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    return np.asarray(tensor.detach().cpu().numpy()).copy()
