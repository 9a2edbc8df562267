"""BioNetGen [harris2016]_: rules are expanded to a network, in a process of its own."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, final

from cellula.core import registry
from cellula.core.errors import DataError, EngineError
from cellula.core.network import Network
from cellula.engines.outside.child import finished
from cellula.engines.outside.environment import Environment, require

__all__ = ["BIONETGEN", "Bngl", "network_text"]

#: The wheel brings BNG2.pl and its Perl modules; its Python side, which needs Jupyter, stays out.
BIONETGEN = Environment(
    name="bionetgen",
    what="rule-based models (.bngl) expanded to networks; BNG2.pl, a Perl program",
    package="bionetgen",
    pins=("bionetgen==0.8.7",),
    license="MIT",
    has_dependencies=False,
    needs=("perl",),
)
#: How long the expansion of one model may take.
SECONDS = 300.0
#: What is done with the model: simulations and exports, which are not ours to run.
ACTION = re.compile(
    r"^\s*(?:\w+\s*=>\s*)?(?:generate_network|simulate\w*|parameter_scan|bifurcate|visualize|"
    r"write\w+|readFile|saveConcentrations|resetConcentrations|setConcentration|addConcentration|"
    r"saveParameters|resetParameters|setParameter|quit|setOption|substanceUnits)\s*\(",
)


@final
class Bngl:
    """Reads rule-based models of BioNetGen as networks: ``.bngl``.

    What the file says shall be done with the model (simulations, exports, changed concentrations)
    is left out: a network is read. Options of ``generate_network`` are those of the file.
    """

    name: ClassVar[str] = "bngl"
    suffixes: ClassVar[tuple[str, ...]] = (".bngl",)

    def read(self, path: Path) -> Network:
        """The network of a model.

        Raises MissingExtra where BioNetGen is not installed, DataError where it does not accept
        the model, EngineError where the expansion takes longer than five minutes.
        """
        with TemporaryDirectory(prefix="cellula-") as scratch:
            made = Path(scratch) / f"{path.name.removesuffix('.bngl')}.net"
            made.write_text(network_text(path, Path(scratch) / "work"))
            found: Network = registry.load("reader", "bionetgen_net")().read(made)
        return found


def network_text(path: Path, scratch: Path, folder: Path | None = None) -> str:
    """The text of the .net file of a model.

    scratch: a folder to work in. folder: of the environments, None for the user's. Raises as
    :meth:`Bngl.read` does.
    """
    text = _model_text(path)
    perl, program = shutil.which("perl") or "perl", _program(require(BIONETGEN, folder))
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "model.bngl").write_text(_only_network(text))
    for one in path.parent.glob("*.tfun"):
        shutil.copyfile(one, scratch / one.name)
    code, said = finished([perl, str(program), "model.bngl"], scratch, SECONDS)
    made = scratch / "model.net"
    if code != 0 or not made.is_file():
        wrong = [line for line in said if "ERROR" in line or "Error" in line] or said[-6:]
        raise DataError(
            f"BioNetGen {BIONETGEN.version} does not accept {path.name}:\n"
            + "\n".join(f"  {line}" for line in wrong[:6])
        )
    return made.read_text(encoding="utf-8")


def _model_text(path: Path) -> str:
    """The text of a .bngl file. Raises DataError where it is absent, no text, or not whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is no text (byte {error.start}); expected .bngl") from error
    blocks = re.findall(r"^\s*(begin|end)\s+([\w ]+?)\s*(?:#.*)?$", text, re.MULTILINE)
    opened = [" ".join(name.split()) for word, name in blocks if word == "begin"]
    closed = [" ".join(name.split()) for word, name in blocks if word == "end"]
    if not opened or sorted(opened) != sorted(closed):
        odd = [name for name in opened if opened.count(name) != closed.count(name)]
        raise DataError(
            f"{path.name} is no whole .bngl model: "
            + (f"the block {odd[0]!r} has no end" if odd else "it has no 'begin' with its 'end'")
        )
    return text


def _program(place: Path) -> Path:
    system = {"darwin": "mac", "win32": "win"}.get(sys.platform, "linux")
    found = sorted(place.glob(f"**/bionetgen/bng-{system}/BNG2.pl"))
    if not found:
        raise EngineError(f"{place} has no BNG2.pl; remove the folder and install it again")
    return found[0]


def _only_network(text: str) -> str:
    """The model with ``generate_network`` as its only action, with the options of the file."""
    joined = re.sub(r"\\\s*\n", " ", text)
    options = re.search(r"^\s*generate_network\s*\((.*?)\)", joined, re.MULTILINE | re.DOTALL)
    kept: list[str] = []
    is_in_actions = False
    for line in joined.splitlines():
        if re.match(r"\s*begin\s+actions\b", line):
            is_in_actions = True
        if not is_in_actions and not ACTION.match(line):
            kept.append(line)
        if re.match(r"\s*end\s+actions\b", line):
            is_in_actions = False
    inside = options[1].strip() if options else "{overwrite=>1}"
    return "\n".join(kept) + f"\ngenerate_network({inside or '{overwrite=>1}'})\n"
