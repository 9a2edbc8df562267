"""Commands that write, each with what it needs before and what it leaves."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from forked import ALL, Done
from ordeal import BUNDLE, Ordeal, parts, require_told

USE = ["targets", "n", "low", "low", "n", "methods", "n", ""]
QUESTION = ["Does it work?", "A title", "asked", "me"]
DATA = ["human", "knock_out", "cells.h5ad", "CC-BY-4.0", "log1p", "unseen_perturbation"]
COLUMNS = ["gene", "control", "line", ""]
ANSWERS = "\n".join([*USE, *QUESTION, *DATA, *COLUMNS])
FIT = ("--data", "cells.h5ad", "--roles", "perturbation=gene,control=control,context=line")
SCORED = ("--metric", "rmse", "--no-embedding", "--out", "scored")

Contents: TypeAlias = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Command:
    """A command, the commands that must have run before it, and the files that it makes.

    gone: what is removed before each time. same: what has the same bytes each time.
    """

    words: tuple[str, ...]
    before: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    typed: str = ""

    def prepare(self, ordeal: Ordeal) -> int:
        """Run what comes before and is not there, then the command; its number of writes."""
        for name in self.before:
            if not commands()[name].is_done(ordeal):
                commands()[name].prepare(ordeal)
        return self.run(ordeal, ALL, 0).writes

    def is_done(self, ordeal: Ordeal) -> bool:
        """Whether what it makes is there."""
        return all((ordeal.forked.disk / name).exists() for name in self.gone)

    def run(self, ordeal: Ordeal, at: int, answer: int) -> Done:
        """Run it from the beginning on a disk that answers so after ``at`` writes."""
        disk = ordeal.forked.disk
        for name in self.gone:
            path = disk / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(True)
        (disk / "tmp").mkdir(exist_ok=True)
        return ordeal.forked(
            *self.words, at=at, answer=answer, typed=self.typed, TMPDIR=str(disk / "tmp")
        )

    def refuse(self, ordeal: Ordeal, at: int) -> None:
        """The disk is full after ``at`` writes: told once, nothing left over, all intact."""
        done = self.run(ordeal, at, errno.ENOSPC)
        if done.code == 1:
            require_told(done, "run the same command again")
            assert "no space left" in done.err or "no room to flush" in done.err, done.err
        else:  # nothing of what was refused was needed
            assert at > 0, done
            assert done.code in {0, ordeal.code}, done
            assert "Traceback" not in done.err
        assert parts(ordeal.forked.disk) == []
        ordeal.require_intact()

    def require_completes(self, ordeal: Ordeal, total: int, expected: Contents) -> None:
        """With room again, over what a refusal half-way left, the bytes are those of a first run.

        total: its number of writes. A refusal of the last ones may leave all that was asked for.
        """
        self.refuse(ordeal, total // 2)
        done = ordeal.forked(*self.words, typed=self.typed)
        assert done.code in {0, ordeal.code}, done
        assert self.contents(ordeal) == expected

    def contents(self, ordeal: Ordeal) -> Contents:
        """The files that have the same bytes each time."""
        found = {name: (ordeal.forked.disk / name).read_bytes() for name in self.same}
        assert all(found.values())
        return found


def commands() -> Mapping[str, Command]:
    """Every command that writes, by name."""
    place = ("--workspace", "w")
    folder = BUNDLE.parent.as_posix()
    predict = ("predict", "--fitted", "fitted", "--queries", "asked.csv", "--out")
    return {
        "init": Command(("init", "asked.toml"), (), ("asked.toml",), ("asked.toml",), ANSWERS),
        "register": Command(("register", "toy.toml", *place), (), ("w",)),
        "run": Command(("run", "toy.toml", *place), ("register",), (folder,), (BUNDLE.as_posix(),)),
        "dossier": Command(
            ("dossier", "toy.toml", *place),
            ("run",),
            (f"{folder}/dossier.html",),
            (f"{folder}/dossier.html",),
        ),
        "fit": Command(
            ("fit", *FIT, "--model", "mean_response", "--out", "fitted"),
            (),
            ("fitted",),
            ("fitted/model.json", "fitted/state.npz"),
        ),
        **{
            f"predict-{suffix}": Command(
                (*predict, f"out.{suffix}", "--control", "cells.h5ad"),
                ("fit",),
                (f"out.{suffix}",),
                (f"out.{suffix}",),
            )
            for suffix in ("h5ad", "parquet", "csv")
        },
        **{
            f"convert-{suffix}": Command(
                ("data", "convert", "cells.h5ad", f"other.{suffix}"),
                (),
                (f"other.{suffix}",),
                (f"other.{suffix}",),
            )
            for suffix in ("h5ad", "h5mu")
        },
        "evaluate": Command(
            ("evaluate", "--real", "cells.h5ad", "--pred", "cells.h5ad", *FIT[2:], *SCORED),
            (),
            ("scored",),
            tuple(f"scored/{name}" for name in ("scores.csv", "summary.csv", "report.html")),
        ),
        "data-get": Command(
            ("data", "get", "pbmc68k", "--cache", "cache"),
            (),
            ("cache",),
            (),
        ),
    }
