"""What the kits share: a broken rule, the declaration of a plug-in, purity, equal states."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from cellula.core.canonical import hash_array, hash_json
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Options, State

__all__ = ["NotConformant", "Rules", "fingerprint", "refuses"]


class NotConformant(AssertionError):
    """A plug-in breaks a rule of its contract."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that every plug-in keeps; ``subject`` is how messages call it."""

    subject: str

    def require(self, is_kept: bool, rule: str, found: object = None) -> None:
        """Raise NotConformant, naming the rule and what was found, unless it is kept."""
        if not is_kept:
            raise NotConformant(
                f"{self.subject}: {rule}" + ("" if found is None else f"; found {found}")
            )

    @contextmanager
    def must_raise(
        self, expected: type[Exception] | tuple[type[Exception], ...], rule: str
    ) -> Iterator[None]:
        """The block must raise ``expected`` with a message; anything else breaks the rule."""
        try:
            yield
        except expected as error:
            self.require(bool(str(error)), f"{rule}, with a message", "an empty message")
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError) as error:
            raise NotConformant(f"{self.subject}: {rule}; it raised {error!r}") from error
        except (OSError, ValueError) as error:
            raise NotConformant(f"{self.subject}: {rule}; it raised {error!r}") from error
        else:
            self.require(False, rule, "no error")

    def check_declaration(self, plugin: type, contract: type, instance: object) -> None:
        """A final class that has every member of its contract."""
        self.require(isinstance(plugin, type), "a plug-in is a class", type(plugin).__name__)
        self.require(bool(getattr(plugin, "__final__", False)), "the class is marked @final")
        self.require(
            isinstance(instance, contract),
            f"it has every member of {contract.__name__}",
            ", ".join(sorted(name for name in vars(plugin) if not name.startswith("_"))),
        )

    def check_references(self, plugin: Any) -> None:
        """``references`` is a tuple of keys, none with a space."""
        keys = plugin.references
        is_good = isinstance(keys, tuple) and all(
            isinstance(key, str) and key and " " not in key for key in keys
        )
        self.require(is_good, "references is a tuple of bibliography keys", repr(keys))

    def check_options(self, options_type: type[Options], options: Options) -> None:
        """Options refuse an unknown name and cannot be changed."""
        self.require(
            isinstance(options_type, type) and issubclass(options_type, Options),
            "options_type is a subclass of Options",
            options_type,
        )
        unknown = {**options.model_dump(), "no_such_option": 1}
        try:
            options_type(**unknown)
        except ValidationError:
            pass
        else:
            self.require(False, "options refuse an unknown name", "no_such_option accepted")
        self.require(bool(options_type.model_config.get("frozen")), "options are frozen")

    @contextmanager
    def leaves(self, **given: Dataset | None) -> Iterator[None]:
        """The block changes neither the datasets, by name, nor the global random state."""
        before = {name: fingerprint(data) for name, data in given.items()}
        state = _global_random()
        yield
        for name, data in given.items():
            self.require(fingerprint(data) == before[name], f"{name} is left as it was")
        self.require(_global_random() == state, "no global random state is used")

    def check_same(self, rule: str, left: Any, right: Any) -> None:
        """Two arrays are equal, bit for bit."""
        one, two = np.asarray(left), np.asarray(right)
        is_same = one.shape == two.shape and one.dtype == two.dtype
        if is_same and not np.array_equal(one, two, equal_nan=one.dtype.kind == "f"):
            gap = np.max(np.abs(one.astype(float) - two.astype(float)))
            raise NotConformant(f"{self.subject}: {rule}; they differ by up to {gap:g}")
        self.require(is_same, rule, f"shapes {one.shape} and {two.shape}")

    def carry(self, state: State) -> State:
        """The state after a journey through npz and JSON, as it is stored."""
        self.require(isinstance(state, State), "state() returns a State", type(state).__name__)
        for name, array in state.arrays.items():
            self.require(
                isinstance(array, np.ndarray) and not array.dtype.hasobject,
                f"state array {name!r} holds numbers, booleans or fixed-width text",
                getattr(array, "dtype", type(array).__name__),
            )
        try:
            text = json.dumps(dict(state.meta), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise NotConformant(f"{self.subject}: state meta is plain JSON; {error}") from error
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **dict(state.arrays))
        buffer.seek(0)
        with np.load(buffer, allow_pickle=False) as stored:
            return State({name: stored[name] for name in stored.files}, json.loads(text))


def fingerprint(data: Dataset | None) -> str:
    """SHA-256 of a dataset with its layers, obsm and uns keys, which a digest leaves out."""
    if data is None:
        return ""
    parts: list[object] = [data.digest()]
    modalities: Mapping[str, Any] = getattr(data.data, "mod", {"": data.data})
    for name, part in sorted(modalities.items()):
        for kind in ("layers", "obsm"):
            for key, value in sorted(getattr(part, kind).items()):
                dense = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
                parts.append([name, kind, str(key), hash_array(dense)])
        parts.append(sorted(map(str, part.uns)))
    return hash_json(parts)


def _global_random() -> str:
    """A fingerprint of both global generators."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 -- read, never used
    return hash_json([str(name), hash_array(np.asarray(keys)), rest, repr(random.getstate())])


def refuses(call: Any) -> str:
    """The message of the DataError that a call raises, "" when it raises none."""
    try:
        call()
    except DataError as error:
        return str(error) or "an empty message"
    return ""
