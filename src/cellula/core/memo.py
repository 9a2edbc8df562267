"""What pure functions have made of one frozen object: made once, kept as long as the object."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any, TypeVar, cast, final

__all__ = ["Memo"]

Made = TypeVar("Made")


@final
class Memo:
    """Results of pure functions of the one object that owns the memo, and of others beside it.

    A second thread that asks waits for the first. A copy of the memo is empty.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._known: dict[Hashable, tuple[tuple[object, ...], Any]] = {}

    def of(self, make: Callable[..., Made], owner: object, *beside: object) -> Made:
        """``make(owner, *beside)``, from memory where the same objects made it before.

        make: a function of a module, its own key. beside: told apart by their identity, so they
        are frozen too; they are held, so that nothing else can get their identity.
        """
        key = make, *map(id, beside)
        with self._lock:
            if key not in self._known:
                self._known[key] = beside, make(owner, *beside)
            return cast("Made", self._known[key][1])

    def __reduce__(self) -> tuple[type[Memo], tuple[()]]:
        """A memo that is copied or sent elsewhere has nothing in it."""
        return Memo, ()
