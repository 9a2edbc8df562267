"""The format OMEX, COMBINE archives, as reader and writer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from cellula.core.combine_archive import ArchiveEntry, CombineArchive
from cellula.core.errors import DataError
from cellula.io.archive import DAMAGE, archive_bytes, is_plain_name
from cellula.io.atomic import write_atomically
from cellula.io.damage import require_fitting
from cellula.io.omex.manifest import MANIFEST, METADATA, Listed, manifest_in, manifest_text
from cellula.io.omex.metadata import description_in, description_text

__all__ = ["Omex"]

#: So many files, and bytes of all of them, an archive may hold.
MOST_FILES, MOST_BYTES = 10_000, 2**31
PIECE = 2**20


@final
class Omex:
    """Reads and writes COMBINE archives [bergmann2014]_; equal archives are equal bytes.

    Of the metadata the description of the archive itself is kept. What the manifest does not
    list is left out, as it is no part of the archive.
    """

    name: ClassVar[str] = "omex"
    suffixes: ClassVar[tuple[str, ...]] = (".omex",)

    def read(self, path: Path) -> CombineArchive:
        """The archive of a file, its id the name of the file.

        Raises DataError, naming file and member, where it is no whole zip archive, lacks its
        manifest or a file that the manifest lists, or a member would lie outside of it, is
        there twice, or unpacks to more than there is memory or 2 GiB in all.
        """
        files = _files(path)
        if MANIFEST not in files:
            raise DataError(f"{path.name} has no {MANIFEST}: it is no COMBINE archive; add one")
        description = None
        if METADATA in files:
            description = description_in(files[METADATA], path.name)
        entries = []
        for one in manifest_in(files[MANIFEST], path.name):
            if one.location == METADATA:
                continue
            if one.location not in files:
                raise DataError(f"{path.name}: {MANIFEST} lists {one.location!r}, which it lacks")
            data = files[one.location]
            entries.append(ArchiveEntry(one.location, one.format, data, one.is_master))
        try:
            return CombineArchive(path.stem, tuple(entries), description)
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from error

    def write(self, content: Any, path: Path) -> None:
        """Write an archive, its manifest first made. Raises DataError on anything else."""
        if not isinstance(content, CombineArchive):
            raise DataError(f"OMEX holds a COMBINE archive; found {type(content).__name__}")
        files = {one.location: one.data for one in content.entries}
        own = {MANIFEST, METADATA}.intersection(files)
        if own:
            raise DataError(f"{min(own)!r} is a file that the archive makes itself; leave it out")
        listed = [Listed(one.location, one.format, one.is_master) for one in content.entries]
        described = content.description
        files[MANIFEST] = manifest_text(listed, has_description=described is not None).encode()
        if described is not None:
            files[METADATA] = description_text(described).encode()
        write_atomically(path, archive_bytes(files))


def _files(path: Path) -> Mapping[str, bytes]:
    """All members by name, none outside of the archive, none larger than may be."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the path") from error
    try:
        with ZipFile(io.BytesIO(raw)) as archive:
            return _members(archive, path.name)
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(
            f"{path.name} is no whole zip archive ({error}); fetch or write it again"
        ) from error


def _members(archive: ZipFile, file: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = MOST_BYTES
    members = [one for one in archive.infolist() if not one.is_dir()]
    if len(members) > MOST_FILES:
        raise DataError(f"{file} holds {len(members)} files; expected {MOST_FILES} at most")
    for member in members:
        name = member.filename.removeprefix("./")
        if not is_plain_name(name):
            raise DataError(
                f"{file}: the member {member.filename!r} would lie outside of the archive, or has "
                "no plain name; write the archive again"
            )
        if name in found:
            raise DataError(f"{file}: the member {name!r} is there twice; keep one")
        if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED} or member.flag_bits & 1:
            raise DataError(f"{file}: {name!r} is encrypted or packed in a way that is not read")
        with archive.open(member) as packed:
            whole = io.BytesIO()
            while piece := packed.read(PIECE):
                left -= len(piece)
                if left < 0:
                    raise DataError(f"{file} unpacks to more than {MOST_BYTES} bytes")
                whole.write(piece)
                require_fitting(whole.tell(), file)
        found[name] = whole.getvalue()
    return found
