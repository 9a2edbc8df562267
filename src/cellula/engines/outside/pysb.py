"""PySB [lopez2013]_: rule-based models that are Python programs, run in a process of their own."""

from __future__ import annotations

import ast
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, final

from cellula.core.errors import DataError
from cellula.core.network import Network
from cellula.engines.outside.bionetgen import Bngl
from cellula.engines.outside.environment import Environment
from cellula.engines.outside.worker import Question, answered

__all__ = ["PYSB", "Pysb"]

PYSB = Environment(
    name="pysb",
    what="rule-based models written in Python (.pysb.py), handed to BioNetGen",
    package="pysb",
    pins=("pysb==1.17.0", "sympy==1.11.1", "numpy==1.26.4", "scipy==1.13.1", "setuptools==75.8.0"),
    license="BSD-2-Clause",
    python=((3, 11), (3, 12)),
)
#: How long the program of one model may take.
SECONDS = 300.0


@final
class Pysb:
    """Reads PySB models as networks: ``.pysb.py``, a program that defines ``model``.

    The program is run, with all the rights of whoever reads it: read models that you trust. It
    runs in the environment ``pysb``, its rules are expanded in that of ``bionetgen``.
    """

    name: ClassVar[str] = "pysb"
    suffixes: ClassVar[tuple[str, ...]] = (".pysb.py",)

    def read(self, path: Path) -> Network:
        """The network of a model.

        Raises MissingExtra where PySB or BioNetGen is not installed, EngineError, with its words,
        where the program fails or defines no model, DataError where BioNetGen does not accept it.
        """
        _check(path)
        with TemporaryDirectory(prefix="cellula-") as scratch:
            question = Question("pysb_model", {"path": str(path.resolve())}, SECONDS)
            answer = answered(PYSB, question, Path(scratch))
            rules = Path(scratch) / f"{path.name.removesuffix('.pysb.py')}.bngl"
            rules.write_text(answer["bngl"])
            return Bngl().read(rules)


def _check(path: Path) -> None:
    """Raise DataError where the file is absent or no program."""
    try:
        program = ast.parse(path.read_bytes(), path.name)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the path") from error
    except (SyntaxError, ValueError) as error:
        raise DataError(f"{path.name} is no Python program: {error}") from error
    if not program.body:
        raise DataError(f"{path.name} is an empty program; expected one that defines 'model'")
