"""Deterministic zip archives: the same files give the same bytes on every machine.

Members are sorted by name, stored uncompressed (compressors differ between builds of zlib, and
what they would save the Parquet inside has saved already), with the first time and the plainest
attributes that zip knows. Any unzip reads them.
"""

from __future__ import annotations

import io
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from cellula.core.errors import DataError

__all__ = [
    "DAMAGE",
    "ArchiveScan",
    "archive_bytes",
    "differing_byte",
    "is_plain_name",
    "read_archive",
    "scan_archive",
]

EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3
PLAIN_FILE = 0o100644 << 16
#: What zipfile raises on damaged bytes, depending on where the damage is.
DAMAGE = (
    BadZipFile,
    RuntimeError,
    OSError,
    ValueError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class ArchiveScan:
    """What could be read of an archive: files by name, and (member, what is wrong with it)."""

    files: Mapping[str, bytes]
    faults: tuple[tuple[str, str], ...] = ()


def archive_bytes(files: Mapping[str, bytes]) -> bytes:
    """The one archive of these files.

    Raises DataError on a name that is not a plain relative path (``a/b.json``), or that is
    both a file and a folder.
    """
    _check_names(files)
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name in sorted(files):
            member = ZipInfo(name, EPOCH)
            member.create_system = UNIX
            member.external_attr = PLAIN_FILE
            archive.writestr(member, files[name])
    return buffer.getvalue()


def scan_archive(data: bytes) -> ArchiveScan:
    """Read what can be read, member by member; never executes, unpacks or inflates anything.

    Raises DataError when the bytes are no zip archive at all.
    """
    files: dict[str, bytes] = {}
    faults: list[tuple[str, str]] = []
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                fault = _member_fault(member, files)
                if not fault:
                    fault = _read_member(archive, member, files)
                if fault:
                    faults.append((member.filename, fault))
    except DAMAGE as error:
        raise DataError(f"no readable zip archive ({error}); fetch or write it again") from error
    return ArchiveScan(files, tuple(faults))


def read_archive(data: bytes) -> dict[str, bytes]:
    """The files of an archive by name; DataError naming the first damaged member."""
    scan = scan_archive(data)
    if scan.faults:
        name, what = scan.faults[0]
        raise DataError(f"member {name!r} of the archive is damaged: {what}")
    return dict(scan.files)


def differing_byte(data: bytes, files: Mapping[str, bytes]) -> tuple[int, str] | None:
    """Where ``data`` first differs from the one archive of ``files``; None where it does not.

    Gives the offset and the member it belongs to, "" in the directory at the end.
    """
    expected = archive_bytes(files)
    if data == expected:
        return None
    low, high = 0, min(len(data), len(expected))
    given, wanted = memoryview(data), memoryview(expected)
    while low < high:  # the prefix of length ``low`` agrees, the one of ``high`` + 1 may not
        middle = (low + high + 1) // 2
        if given[:middle] == wanted[:middle]:
            low = middle
        else:
            high = middle - 1
    return low, _member_at(expected, low)


def _member_at(data: bytes, offset: int) -> str:
    with ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if offset >= archive.start_dir or not members:
            return ""
        starts = [member.header_offset for member in members]
        return members[bisect_right(starts, offset) - 1].filename


def _member_fault(member: ZipInfo, seen: Mapping[str, bytes]) -> str:
    if member.filename in seen:
        return "occurs twice in the archive"
    if not is_plain_name(member.filename):
        return "its name is not a plain relative path"
    if member.compress_type != ZIP_STORED:
        return (
            "is compressed, and our archives store their files as they are; unpack the archive "
            "into a folder to read it"
        )
    return ""


def _read_member(archive: ZipFile, member: ZipInfo, files: dict[str, bytes]) -> str:
    try:
        files[member.filename] = archive.read(member)
    except DAMAGE as error:
        return f"cannot be read: {error}"
    return ""


def is_plain_name(name: str) -> bool:
    """Whether a name is a relative path with ``/`` between folders that leads nowhere else."""
    parts = name.split("/")
    return (
        all(part not in {"", ".", ".."} for part in parts)
        and not set(name) & set('\\:*?"<>|')
        and name.isprintable()
    )


def _check_names(names: Iterable[str]) -> None:
    known = set(names)
    for name in sorted(known):
        if not is_plain_name(name):
            raise DataError(
                f"{name!r} cannot be the name of a file in an archive; expected a relative path "
                'with "/" between folders, no "..", and none of \\ : * ? " < > |'
            )
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder in known:
                raise DataError(f"{folder!r} is a file and also the folder of {name!r}")
