"""What an evaluation needs, told before a matrix is read: memory, or memory and scratch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Extent", "Workload", "memory_bytes", "scratch_bytes", "stored_bytes"]

#: Numbers of a dense float64 array of groups x readouts that the contestants of a panel hold.
TABLES = 70
#: Cells that a trivial answer predicts for a question, and how many such answers there are.
BASELINE_CELLS, BASELINES = 300, 3
#: Copies of the real and of the predicted matrix when all is in memory: the file, the treated
#: cells, those in the order of their groups, the halves and their cells, the cells of a fold.
REAL_COPIES, PREDICTED_COPIES, BASELINE_COPIES = 6.0, 3.0, 2.0
#: Bytes of a profile's name, its roles and its place.
ANNOTATION_BYTES = 200
#: Bytes of a block of rows on its way to the disk, with its copies, and of a batch of answers.
BLOCK_BYTES, BATCH_BYTES = 5 * 2**25, 2**27
#: Dense copies of the largest group, both sides, while a metric compares it.
GROUP_COPIES = 6


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of a matrix in a file: rows, columns, stored values and the bytes of one."""

    rows: int
    columns: int
    values: int
    value_bytes: int
    is_sparse: bool

    @property
    def bytes(self) -> int:
        """Bytes of the matrix in memory, dense or CSR."""
        return self.values * (self.value_bytes + 4 * self.is_sparse) + 8 * self.rows


@dataclass(frozen=True, slots=True)
class Workload:
    """What is evaluated. largest: cells of the largest group; process: bytes held already."""

    real: Extent
    predicted: Extent
    n_groups: int
    largest: int
    n_controls: int
    process: int

    @property
    def baseline_bytes(self) -> int:
        """Bytes of the cells that one trivial answer predicts, CSR of float64."""
        if self.n_controls == 0 or self.n_groups >= self.real.rows - self.n_controls:
            return 0
        per_cell = self.real.values / max(self.real.rows, 1)
        n_cells = self.n_groups * min(BASELINE_CELLS, self.n_controls)
        return int(n_cells * per_cell * 12)

    @property
    def _tables(self) -> int:
        rows = self.real.rows + self.predicted.rows
        return 8 * TABLES * self.n_groups * self.real.columns + ANNOTATION_BYTES * rows


def memory_bytes(work: Workload) -> int:
    """The peak of the process when both matrices are in memory."""
    matrices = REAL_COPIES * work.real.bytes + PREDICTED_COPIES * work.predicted.bytes
    baselines = BASELINES * BASELINE_COPIES * work.baseline_bytes
    return int(work.process + matrices + baselines + work._tables + _of_group(work))


def stored_bytes(work: Workload) -> int:
    """The peak of the process when both matrices are in scratch."""
    per_cell = work.real.values / max(work.real.rows, 1)
    controls = int(work.n_controls * per_cell * 16)
    blocks = BLOCK_BYTES + BATCH_BYTES
    return int(work.process + work._tables + blocks + controls + _of_group(work))


def scratch_bytes(work: Workload) -> int:
    """Bytes on disk when both matrices are in scratch."""
    return work.real.bytes + work.predicted.bytes + BASELINES * work.baseline_bytes


def _of_group(work: Workload) -> int:
    return 8 * GROUP_COPIES * work.largest * work.real.columns
