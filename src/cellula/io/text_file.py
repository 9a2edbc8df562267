"""The bytes of a text file, unpacked, whichever way it was packed."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO
from zipfile import ZipFile

from cellula.core.errors import DataError
from cellula.io.archive import DAMAGE
from cellula.io.damage import require_fitting

__all__ = ["decoded", "text_bytes"]

#: So many bytes are unpacked at once.
PIECE = 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def text_bytes(path: Path) -> bytes:
    """The text of a plain, gzipped (``.gz``) or zipped (``.zip``, one file) text file.

    A byte order mark is dropped. Raises DataError, naming the file, when it is absent, cut
    short, empty, or a zip archive of several files.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the path") from error
    if path.suffix.lower() == ".gz":
        raw = _gunzipped(raw, path.name)
    elif path.suffix.lower() == ".zip":
        raw = _unzipped(raw, path.name)
    if not raw.strip():
        raise DataError(f"{path.name} is empty; expected a table with a line of column names")
    return raw.removeprefix(BYTE_ORDER_MARK)


def decoded(raw: bytes, file: str) -> str:
    """Text from its UTF-8 bytes; DataError, naming the file and the place, on other bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8 text ({error.reason} at byte {error.start}); "
            "save it as UTF-8 or check what kind of file it is"
        ) from error


def _gunzipped(raw: bytes, file: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(raw)) as packed:
            return _bounded(packed, file)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{file} is not a whole gzip file ({error}); fetch or copy the file again"
        ) from error


def _unzipped(raw: bytes, file: str) -> bytes:
    try:
        with ZipFile(io.BytesIO(raw)) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
            if len(members) == 1:
                with archive.open(members[0]) as packed:
                    return _bounded(packed, file)
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(
            f"{file} is not a whole zip file ({error}); fetch or copy the file again"
        ) from error
    raise DataError(
        f"{file} holds {len(members)} files; expected one table: unpack it and name the table"
    )


def _bounded(packed: IO[bytes] | gzip.GzipFile, file: str) -> bytes:
    """What was packed, in pieces; DataError as soon as it is more than the memory can hold."""
    whole = io.BytesIO()
    while piece := packed.read(PIECE):
        whole.write(piece)
        require_fitting(whole.tell(), file)
    return whole.getvalue()
