"""A population on its way through ``cellula simulate``: what is kept of every batch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellula.core.batches import Batch, Cells, Task
    from cellula.core.canonical import RowDigest
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.run import RunContext
    from cellula.core.simulation import Trajectory
    from cellula.evaluation.divergence import Divergence
    from cellula.report.course_sample import CourseSample

__all__ = ["Pictures", "Simulated", "simulated"]

#: So many ids have a band where none are named.
MOST_SHOWN = 10


@final
@dataclass(frozen=True, slots=True)
class Simulated:
    """What is left when all batches have passed; apart: of every engine but the first."""

    n_cells: int
    n_times: int
    ids: tuple[str, ...]
    digest: str
    apart: tuple[tuple[Divergence, ...], ...]
    pictures: tuple[Path, ...]


@final
@dataclass(frozen=True, slots=True)
class Pictures:
    """What is drawn where: bands of ``ids``, or of the most changing of ``candidates``.

    more: name of a file -> a picture that is made already.
    """

    folder: Path
    title: str
    ids: tuple[str, ...]
    candidates: tuple[str, ...]
    phase: tuple[str, str] | None
    more: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def asked(
        cls,
        folder: Path | None,
        ids: tuple[str, ...],
        phase: tuple[str, str] | None,
        network: Network | LogicNetwork,
        is_replaced: bool,
    ) -> Pictures | None:
        """What the command asks for; None without a folder.

        Raises StudyError where ids are named without a folder, or the network lacks them;
        DataError where a picture is there and may not be replaced.
        """
        from cellula.cli.simulate_request import require_free
        from cellula.core.errors import StudyError
        from cellula.core.network import Network

        if folder is None:
            if ids or phase:
                raise StudyError("--show and --phase need --plot FOLDER, where pictures go")
            return None
        lacking = [id for id in ids if id not in network.ids]
        if lacking:
            raise StudyError(f"--show names {lacking[0]!r}, which network {network.id!r} lacks")
        for name in ("bands.svg", "phase.svg"):
            require_free(folder / name, is_replaced)
        reactions = {one.id for one in network.reactions} if isinstance(network, Network) else set()
        others = tuple(id for id in network.ids if id not in reactions)
        return cls(folder, network.id, ids, others, phase)

    def needed(self, told: tuple[str, ...]) -> tuple[str, ...]:
        """The ids, of those that are told, whose courses pictures need.

        Raises DataError where the engine does not tell an id that is to be drawn.
        """
        from cellula.core.errors import DataError

        wanted = {*(self.ids or self.candidates), *(self.phase or ())}
        for id in (*self.ids, *(self.phase or ())):
            if id not in told:
                raise DataError(f"the engine does not tell {id!r}; draw other ids")
        return tuple(id for id in told if id in wanted)

    def draw(self, courses: Trajectory, n_cells: int) -> tuple[Path, ...]:
        """Write the pictures, all of them or none."""
        from cellula.io.atomic import write_together
        from cellula.report.phase_plane import phase_plane
        from cellula.report.population_bands import population_bands

        ids = self.ids or self._changing(courses)
        files = {**self.more, "bands.svg": population_bands(courses, ids, self.title, n_cells)}
        if self.phase is not None:
            files["phase.svg"] = phase_plane(courses, self.phase, self.title)
        return write_together(self.folder, {name: text.encode() for name, text in files.items()})

    def _changing(self, courses: Trajectory) -> tuple[str, ...]:
        """The ids that change most; the first where none does and there is more to see."""
        from cellula.core.errors import DataError
        from cellula.report.course_sample import most_changing

        try:
            return most_changing(courses, MOST_SHOWN, self.candidates)
        except DataError:
            if not self.more:
                raise
            return self.candidates[:MOST_SHOWN]


@final
class _Kept:
    """What is kept of the batches that have passed."""

    def __init__(self, task: Task, n_cells: int, pictures: Pictures | None) -> None:
        self._task, self._n_cells, self._pictures = task, n_cells, pictures
        self._ids: tuple[str, ...] = ()
        self._digest: RowDigest | None = None
        self._sample: CourseSample | None = None
        self._apart: list[tuple[Divergence, ...]] = [() for _ in task.simulators[1:]]

    def take(self, batch: Batch) -> None:
        """Keep of a batch what pictures and the record need."""
        from cellula.core.canonical import RowDigest
        from cellula.evaluation.divergence import divergences, greatest

        first, *others = batch.courses
        if self._digest is None:
            self._ids = first.ids
            self._digest = RowDigest((self._n_cells, *first.values.shape[1:]))
            self._sample = self._begun(first)
        self._digest.add(first.values)
        if self._sample is not None:
            self._sample.add(first, batch.first)
        for place, other in enumerate(others):
            found = divergences(first, other, batch.first)
            self._apart[place] = greatest((*self._apart[place], *found))

    def _begun(self, first: Trajectory) -> CourseSample | None:
        from cellula.report.course_sample import CourseSample

        if self._pictures is None:
            return None
        return CourseSample(self._n_cells, len(first.times), self._pictures.needed(first.ids))

    def found(self) -> Simulated:
        """What is left at the end; pictures are drawn now."""
        drawn: tuple[Path, ...] = ()
        if self._pictures is not None and self._sample is not None:
            drawn = self._pictures.draw(self._sample.courses, self._n_cells)
        digest = "" if self._digest is None else self._digest.hexdigest()
        n_times = len(self._task.times)
        return Simulated(self._n_cells, n_times, self._ids, digest, tuple(self._apart), drawn)


def simulated(
    task: Task,
    cells: tuple[Cells, int],
    told: tuple[tuple[str, ...], tuple[str, ...]],
    to: tuple[Path | None, Pictures | None],
    run: RunContext,
    watch: Callable[[Batch], None] | None = None,
) -> Simulated:
    """Solve a population batch by batch; nothing of a batch but the picture's cells is kept.

    cells: the population, and how many cells a batch. told: species told as amounts, and as
    concentrations. to: the file of the courses, and the pictures. watch: called with each batch.
    """
    from cellula.core.batches import each_batch
    from cellula.io.course_file import course_file

    population, size = cells
    out, pictures = to
    kept = _Kept(task, len(population), pictures)
    with ExitStack() as stack:
        add = None if out is None else stack.enter_context(course_file(out, len(population)))
        for batch in each_batch(task, population, size, run):
            asked = _as_told(task, batch, told)
            kept.take(asked)
            if watch is not None:
                watch(batch)
            if add is not None:
                add(asked.courses[0], asked.first)
    return kept.found()


def _as_told(task: Task, batch: Batch, told: tuple[tuple[str, ...], tuple[str, ...]]) -> Batch:
    """The batch with species as amounts and concentrations, as the command asks."""
    from cellula.core.batches import Batch
    from cellula.io.course_table import as_told

    return Batch(batch.first, tuple(as_told(one, task.network, *told) for one in batch.courses))
