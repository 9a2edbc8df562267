"""What pure functions have made of one frozen object: made once, kept as long as the object."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar, cast, final

__all__ = ["Memo"]

Given = TypeVar("Given")
Made = TypeVar("Made")


@final
class Memo:
    """Results of pure functions of the one object that owns the memo.

    A second thread that asks waits for the first. A copy of the memo is empty.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._known: dict[Callable[..., Any], Any] = {}

    def of(self, make: Callable[[Given], Made], owner: Given) -> Made:
        """``make(owner)``, from memory where it was made before; ``owner`` is always the same."""
        with self._lock:
            if make not in self._known:
                self._known[make] = make(owner)
            return cast("Made", self._known[make])

    def __reduce__(self) -> tuple[type[Memo], tuple[()]]:
        """A memo that is copied or sent elsewhere has nothing in it."""
        return Memo, ()
