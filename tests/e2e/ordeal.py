"""What must hold of a workspace whatever was killed or refused in it, and a toy to try it on."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forked import Done, Forked, forking
from toy_study import write_toy

from cellula.evidence.keys import signing_key
from cellula.evidence.ledger import Ledger
from cellula.evidence.verify import verify_bundle

LEDGER, BUNDLE = Path("w/ledger.sqlite"), Path("w/studies/toy/toy.zip")
KEYS = Path("home/config/cellula")
#: Kinds that stand once in the ledger for each study or claim, however often one began again.
ONCE = ("registered", "labels_sealed")
PROGRESS = re.compile(
    r"  \S+ \d+/\d+|\S+: \d+ fold\(s\), \d+ models|in memory: about \S+ GB of \S+ GB allowed"
)


@dataclass(frozen=True, slots=True)
class Ordeal:
    """A toy study on a disk: what a whole run of it gives, and that it still can."""

    forked: Forked
    study: Path
    code: int
    bundle: bytes
    writes: tuple[int, int]
    seconds: tuple[float, float]

    @property
    def steps(self) -> tuple[tuple[object, ...], ...]:
        """The two commands that make a bundle."""
        return tuple((verb, self.study, "--workspace", "w") for verb in ("register", "run"))

    def begin_anew(self) -> None:
        """Nothing was registered."""
        shutil.rmtree(self.forked.disk / "w", ignore_errors=True)

    def require_intact(self) -> None:
        """The ledger verifies, nothing in it is doubled, and a bundle is whole or not there."""
        disk = self.forked.disk
        if (disk / LEDGER).exists():
            ledger = Ledger(disk / LEDGER, signing_key(disk / KEYS))
            assert ledger.verify(head=ledger.head()) == []
            entries = ledger.entries()
            assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
            said = Counter((e.kind, e.subject) for e in entries if e.kind in ONCE)
            assert set(said.values()) <= {1}, said
        if (disk / BUNDLE).exists():
            assert verify_bundle(disk / BUNDLE).is_intact
            assert (disk / BUNDLE).read_bytes() == self.bundle

    def require_completes(self) -> None:
        """The same commands again give the same bytes, with files of evidence that verify."""
        for words, code in zip(self.steps, (0, self.code), strict=True):
            done = self.forked(*words)
            assert done.code == code, done
        self.require_intact()
        disk = self.forked.disk
        assert (disk / BUNDLE).read_bytes() == self.bundle
        folder = BUNDLE.parent
        found = verify_bundle(
            disk / BUNDLE,
            head=disk / folder / "toy.head.json",
            ledger=disk / folder / "toy.ledger.jsonl",
        )
        assert found.is_intact, found


@contextmanager
def ordeal_on(folder: Path) -> Iterator[Ordeal]:
    """The toy on the disk ``folder/disk``, run whole: what it gives, how often it writes."""
    disk = (folder / "disk").resolve()
    (disk / "home").mkdir(parents=True)
    study = write_toy(disk, 9, hold_out="{ folds = 2, seed = 1 }")
    rows = [f"G{number},k562\n" for number in range(9)]
    (disk / "asked.csv").write_text("".join(["perturbation,context\n", *rows]))
    with forking(folder, disk) as forked:
        blank = Ordeal(forked, study, 0, b"", (0, 0), (0.0, 0.0))
        for words in blank.steps:
            forked(*words, is_first=True)
        blank.begin_anew()
        register, run = (forked(*words) for words in blank.steps)
        assert register.code == 0, register
        assert (disk / BUNDLE).exists(), run
        yield Ordeal(
            forked,
            study,
            run.code,
            (disk / BUNDLE).read_bytes(),
            (register.writes, run.writes),
            (register.seconds, run.seconds),
        )


def killed_after(ordeal: Ordeal, seconds: float) -> bool:
    """Register and run, killed when the time is over; whether that was before the end."""
    left = seconds
    for words in ordeal.steps:
        done = ordeal.forked(*words, after=max(left, 0.001))
        if done.code == -9:
            return True
        left -= done.seconds
    return False


def parts(folder: Path) -> list[Path]:
    """What was being written and was left."""
    return [path for path in folder.rglob(".*") if path.suffix in {".part", ".replaced"}]


def sweep(folder: Path) -> None:
    """Remove what killed processes left, as the next who writes there does a day later."""
    for path in parts(folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def require_told(done: Done, *words: str) -> None:
    """A refused command ends with 1 and one message, and says nothing else but its progress."""
    assert done.code == 1, done
    lines = [line for line in done.err.splitlines() if not PROGRESS.fullmatch(line)]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("cellula: "), done.err
    for word in words:
        assert word in lines[0], done.err
