"""The rules of :class:`~cellula.core.reader.Reader` and :class:`~cellula.core.reader.Writer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.combine_archive import CombineArchive
from cellula.core.errors import CellulaError, DataError
from cellula.core.experiment import Experiment
from cellula.core.logic import LogicNetwork, SignedGraph
from cellula.core.network import Network
from cellula.core.reader import Reader, Writer
from cellula.testing.examples import ic50_table, single_cells
from cellula.testing.rule import Rules

__all__ = ["ReaderConformance"]

#: Bytes that are the beginning of no data format.
NOISE = bytes(range(256)) * 4


def _contents() -> Mapping[str, Any]:
    table = ic50_table()
    frame = table.obs.astype(str).reset_index(drop=True)
    return {
        "profiles": single_cells().data,
        "table": frame.assign(value=table.dense()[:, 0], count=np.arange(len(frame))),
    }


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if sp.issparse(matrix) else matrix


@final
@dataclass(frozen=True, slots=True)
class ReaderConformance:
    """Every rule that a reader keeps, and its writer where there is one.

    plugin: the reader class. writer: the writer class, or None. contents: what to write, by
    name; a writer may refuse a content with a DataError, but must accept one at least.
    """

    plugin: Any
    writer: Any = None
    contents: Mapping[str, Any] = field(default_factory=_contents)

    def check(self, folder: Path) -> None:
        """Check every rule in a folder of its own; NotConformant names the first broken one."""
        self.check_declaration()
        self.check_missing(folder)
        self.check_foreign(folder)
        if self.writer is not None:
            self.check_round_trip(folder)

    def check_declaration(self) -> None:
        """Name and suffixes are declared; a writer writes only what its reader reads."""
        rules = self._rules()
        rules.check_declaration(self.plugin, Reader, self.plugin())
        suffixes = self.plugin.suffixes
        is_told = isinstance(suffixes, tuple) and bool(suffixes)
        rules.require(is_told, "suffixes is a tuple", repr(suffixes))
        rules.require(all(s.startswith(".") for s in suffixes), "a suffix has its dot", suffixes)
        if self.writer is not None:
            rules.check_declaration(self.writer, Writer, self.writer())
            rules.require(
                set(self.writer.suffixes) <= set(suffixes),
                "the writer writes only what the reader reads",
                self.writer.suffixes,
            )

    def check_missing(self, folder: Path) -> None:
        """A file that is not there is an error that names it."""
        for suffix in self.plugin.suffixes:
            self._check_refused(folder / f"absent{suffix}", "a missing file")

    def check_foreign(self, folder: Path) -> None:
        """A file of noise, or of nothing, is an error that names it."""
        for suffix in self.plugin.suffixes:
            for name, content in (("noise", NOISE), ("empty", b"")):
                path = folder / f"{name}{suffix}"
                path.write_bytes(content)
                self._check_refused(path, f"a file of {name}")

    def check_round_trip(self, folder: Path) -> None:
        """What was written is read back equal; a truncated file is an error that names it."""
        accepted = 0
        for suffix in self.writer.suffixes:
            for name, content in self.contents.items():
                path = folder / f"{name}{suffix}"
                try:
                    self.writer().write(content, path)
                except DataError:
                    self._rules().require(not path.exists(), "a refusal leaves no file", path.name)
                    continue
                accepted += 1
                self._check_equal(content, self.plugin().read(path), path.name)
                rest = sorted(item.name for item in folder.iterdir() if item.name[:1] in ".~")
                self._rules().require(not rest, "writing leaves no scratch file", rest)
                self._check_truncated(path)
        self._rules().require(accepted > 0, "the writer accepts one content at least")

    # -- what they share -----------------------------------------------------------------------
    def _check_truncated(self, path: Path) -> None:
        """Half of a file is refused, or, in a plain text format, read as fewer rows.

        Of a folder it is the largest file that is cut.
        """
        if path.is_dir():
            self._check_cut_folder(path)
            return
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        if b"\0" not in whole:
            return  # half a text may be a whole text; its hash tells, not its reader
        self._check_refused(path, "a truncated file")

    def _check_cut_folder(self, path: Path) -> None:
        """The largest file of a folder, cut to half, makes an error that names the folder."""
        files = sorted(item for item in path.rglob("*") if item.is_file())
        largest = max(files, key=lambda item: item.stat().st_size)
        whole = largest.read_bytes()
        largest.write_bytes(whole[: len(whole) // 2])
        self._check_refused(path, f"a folder whose {largest.name} is truncated")

    def _check_refused(self, path: Path, what: str) -> None:
        rules = self._rules()
        with rules.must_raise(CellulaError, f"{what} is a DataError ({path.suffix})"):
            self.plugin().read(path)
        try:
            self.plugin().read(path)
        except CellulaError as error:
            rules.require(path.name in str(error), f"the error on {what} names the file", error)

    def _check_equal(self, wrote: Any, read: Any, name: str) -> None:
        rule = f"{name} is read back equal"
        rules = self._rules()
        rules.require(type(read) is type(wrote), rule, type(read).__name__)
        if isinstance(wrote, pd.DataFrame):
            try:
                pd.testing.assert_frame_equal(read, wrote)
            except AssertionError as error:
                rules.require(False, rule, error)
        elif isinstance(wrote, AnnData):
            rules.require(sp.issparse(read.X) == sp.issparse(wrote.X), rule, type(read.X).__name__)
            rules.check_same(rule, *(_dense(matrix) for matrix in (read.X, wrote.X)))
            pairs = ((read.obs, wrote.obs), (read.var, wrote.var))
            rules.require(all(a.equals(b) for a, b in pairs), rule, "other obs or var")
            rules.require(set(read.layers) == set(wrote.layers), rule, set(read.layers))
        elif isinstance(wrote, Network | LogicNetwork | SignedGraph | Experiment | CombineArchive):
            rules.require(read == wrote, rule, read.id)

    def _rules(self) -> Rules:
        return Rules(f"reader {getattr(self.plugin, 'name', self.plugin)!r}")
