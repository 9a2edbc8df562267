"""Many machines through Dask: a :class:`~cellula.core.run.Cluster` over a scheduler that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, ClassVar, final

from distributed import Client, KilledWorker
from distributed.comm.core import CommClosedError

from cellula.core.errors import EngineError

__all__ = ["DaskCluster"]

#: Seconds to wait for a scheduler, and for a first worker.
PATIENCE_S = 30.0
_CLIENT: Any = Client  # distributed has no types


@final
class DaskCluster:
    """The workers of a Dask scheduler.

    Items and results travel; matrices do not: a function reads them from a folder that all
    machines share. A worker that dies has its items done again by the others.
    """

    name: ClassVar[str] = "dask"
    package: ClassVar[str] = "distributed"

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    @contextmanager
    def connected(cls, address: str) -> Iterator[DaskCluster]:
        """The cluster of a scheduler, such as ``tcp://10.0.0.1:8786``, within the block.

        Raises EngineError when no scheduler answers, it has no worker, or a worker has another
        version of cellula, which would compute other numbers.
        """
        try:
            client: Any = _CLIENT(address, timeout=PATIENCE_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {address}: {error or type(error).__name__}; start "
                "one with 'dask scheduler' and workers with 'dask worker ADDRESS --nthreads 1'"
            ) from error
        try:
            _require_workers(client, address)
            yield cls(client)
        finally:
            client.close()

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        """Apply ``function`` to every item; results in the order of the items.

        Raises what the function raises, and EngineError when an item has killed its workers or
        the scheduler is gone.
        """
        futures = [self._client.submit(function, item, pure=False) for item in items]
        try:
            for number, future in enumerate(futures):
                yield self._result(future, number)
        finally:
            self._client.cancel(futures)

    def _result(self, future: Any, number: int) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            raise EngineError(
                f"item {number} has killed every worker that tried it, most likely for memory; "
                "give the workers more memory, or fewer threads each"
            ) from error
        except (CommClosedError, TimeoutError) as error:
            raise EngineError(f"the Dask scheduler is gone: {error}; start it again") from error


def _require_workers(client: Any, address: str) -> None:
    """Raise EngineError unless there are workers, all with this version of cellula."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE_S)
    except TimeoutError as error:
        raise EngineError(
            f"the scheduler at {address} has no worker; start one on every machine with "
            f"'dask worker {address} --nthreads 1'"
        ) from error
    own = version("cellula")
    others = {name: told for name, told in client.run(version, "cellula").items() if told != own}
    if others:
        name, told = next(iter(others.items()))
        raise EngineError(
            f"the worker {name} has cellula {told}, here is {own}; install one version everywhere"
        )
