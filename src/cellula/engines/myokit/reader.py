"""Myokit's own files, .mmt: read by Myokit, handed on as CellML."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, final

import myokit
import myokit.formats.cellml

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.network import Network

__all__ = ["Mmt"]

_CELLML: Any = myokit.formats.cellml.CellMLExporter  # myokit has no types


@final
class Mmt:
    """Reads Myokit models as networks: ``.mmt``.

    A protocol of the file becomes a formula of the time, as CellML models have it; its script is
    left out.
    """

    name: ClassVar[str] = "mmt"
    suffixes: ClassVar[tuple[str, ...]] = (".mmt",)

    def read(self, path: Path) -> Network:
        """The network of a model.

        Raises DataError, with Myokit's words, where the file is absent, no text, or no whole
        model; and where what Myokit writes is no CellML that we take.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}; check the path") from error
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path.name} is no text (byte {error.start}); expected .mmt"
            ) from error
        try:
            model, protocol, _ = myokit.parse(text.splitlines())
            if model is None:
                raise DataError(f"{path.name} has no [[model]]; expected a Myokit model")
            model.validate()
        except (myokit.MyokitError, RecursionError) as error:
            raise DataError(f"{path.name} is no whole Myokit model: {_first(error)}") from error
        with TemporaryDirectory(prefix="cellula-") as scratch:
            made = Path(scratch) / f"{path.stem}.cellml"
            try:
                _CELLML().model(str(made), model, protocol, version="2.0")
            except (myokit.MyokitError, RecursionError) as error:
                raise DataError(
                    f"{path.name} cannot be written as CellML: {_first(error)}"
                ) from error
            found: Network = registry.load("reader", "cellml")().read(made)
        return found


def _first(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
