"""Submissions to the Virtual Cell Challenge 2025: a tar of a packed h5ad and a watermark."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, ClassVar, final

import pyarrow as pa
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.atomic import replaced_atomically
from cellula.io.challenge_rules import CELL_TYPE, TARGET, require_accepted, violations_2025
from cellula.io.damage import DAMAGE
from cellula.io.h5ad import H5ad
from cellula.io.parts import Reduced, reduced

__all__ = ["Vcc2025File"]

RULES = "the challenge of 2025"
#: The members, in the order in which they are written, and what the second one holds.
PACKED = "pred.h5ad.zst"
WATERMARK = "watermark.txt"
MARK = b"vcc-prep"
#: Bytes that are copied at once.
CHUNK = 1 << 20


@final
class Vcc2025File:
    """Reads and writes a submission; what the rules forbid is listed and refused.

    A tar of ``pred.h5ad.zst`` (Zstandard) and ``watermark.txt``; in it log-normalised values in
    CSR, obs ``target_gene`` with controls called ``non-targeting``, and perhaps ``celltype``.
    """

    name: ClassVar[str] = "vcc2025"
    suffixes: ClassVar[tuple[str, ...]] = (".vcc",)
    takes: ClassVar[str] = "annotated"

    def reduce(self, content: AnnData) -> Reduced:
        """X and the columns of obs that the format has a place for."""
        return reduced(content, obs=(TARGET, CELL_TYPE), var=(), is_dense=False)

    def read(self, path: Path) -> AnnData:
        """The submission. Raises DataError on a damaged file, or listing every violation."""
        if not path.is_file():
            raise DataError(f"{path} is no file; check the path")
        with TemporaryDirectory() as folder:
            plain = Path(folder) / path.with_suffix(".h5ad").name
            try:
                _unpack(path, plain)
            except (tarfile.TarError, *DAMAGE) as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(
                    f"{path.name} is damaged, cut short or no submission of 2025: "
                    f"{' '.join(str(error).split())[:200]}; fetch or copy it again"
                ) from error
            try:
                content = H5ad().read(plain)
            except DataError as error:
                raise DataError(f"{path.name}: {error}") from error
        require_accepted(violations_2025(content), path.name, RULES)
        return content

    def write(self, content: Any, path: Path) -> None:
        """Write a submission atomically. Raises DataError listing every violation."""
        if not isinstance(content, AnnData):
            raise DataError(
                f"{path.name}: a submission holds an AnnData, not a {type(content).__name__}"
            )
        require_accepted(violations_2025(content), path.name, RULES)
        with TemporaryDirectory() as folder:
            plain, packed = Path(folder) / "pred.h5ad", Path(folder) / PACKED
            H5ad().write(content, plain)
            with plain.open("rb") as source, pa.CompressedOutputStream(str(packed), "zstd") as out:
                shutil.copyfileobj(source, out, CHUNK)
            with replaced_atomically(path) as temporary, tarfile.open(temporary, "w") as archive:
                with packed.open("rb") as file:
                    _add(archive, PACKED, file, packed.stat().st_size)
                _add(archive, WATERMARK, io.BytesIO(MARK), len(MARK))


def _add(archive: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    """Add a member without time and owner, so that the same content gives the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = size
    archive.addfile(member, file)


def _unpack(path: Path, plain: Path) -> None:
    """Write the h5ad of a submission to ``plain``."""
    with tarfile.open(path, "r:") as archive:
        names = archive.getnames()
        missing = [name for name in (PACKED, WATERMARK) if name not in names]
        if missing:
            raise DataError(f"{path.name} lacks {' and '.join(missing)}: no submission of 2025")
        mark, packed = archive.extractfile(WATERMARK), archive.extractfile(PACKED)
        if packed is None or mark is None or mark.read(len(MARK) + 1).strip() != MARK:
            raise DataError(
                f"{path.name} has not the watermark {MARK.decode()!r}; prepare it again"
            )
        with pa.CompressedInputStream(packed, "zstd") as source, plain.open("wb") as out:
            shutil.copyfileobj(source, out, CHUNK)
