"""The bundle: all that a third party needs to check a study, in one deterministic zip.

``manifest.json`` holds the SHA-256 of every other file, ``manifest.sig.json`` the key and its
signature over the bytes of the manifest. A bundle reads the same as a zip and as a folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cellula.core.canonical import canonical_json, hash_bytes
from cellula.core.errors import DataError, EvidenceError, Tampered
from cellula.evidence.findings import Problem
from cellula.evidence.keys import SigningKey
from cellula.io.archive import archive_bytes, differing_byte, scan_archive
from cellula.io.atomic import write_atomically

__all__ = [
    "MANIFEST",
    "SIGNATURE",
    "BundleScan",
    "read_bundle",
    "scan_bundle",
    "sign_files",
    "write_bundle",
]

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig.json"


@dataclass(frozen=True, slots=True)
class BundleScan:
    """What could be read of a bundle, and what is wrong with what holds it."""

    files: Mapping[str, bytes]
    problems: tuple[Problem, ...]


def sign_files(files: Mapping[str, bytes], key: SigningKey) -> dict[str, bytes]:
    """The files with their manifest and its signature; DataError when they bring their own."""
    for name in (MANIFEST, SIGNATURE):
        if name in files:
            raise DataError(f"{name} is written by the bundle itself; leave it out of the files")
    manifest = canonical_json({name: hash_bytes(data) for name, data in files.items()})
    signature = {"public_key": key.public_hex, "signature": key.sign(manifest)}
    return {**files, MANIFEST: manifest, SIGNATURE: canonical_json(signature)}


def write_bundle(path: Path, files: Mapping[str, bytes], key: SigningKey) -> str:
    """Write a signed bundle, whole or not at all, and give the SHA-256 of its bytes.

    The same files and key give the same bytes. Raises DataError on a file name that is not a
    plain relative path.
    """
    data = archive_bytes(sign_files(files, key))
    write_atomically(path, data)
    return hash_bytes(data)


def read_bundle(path: Path) -> dict[str, bytes]:
    """The files of a bundle by their path in it, from a zip or from the folder it was unpacked to.

    Whether they are what was signed is checked by :func:`cellula.evidence.verify.verify_bundle`.
    Raises EvidenceError when there is nothing to read, Tampered, naming the file, on damage.
    """
    scan = scan_bundle(path)
    if scan.problems:
        raise Tampered(f"the bundle {path} is damaged: {scan.problems[0]}")
    return dict(scan.files)


def scan_bundle(path: Path) -> BundleScan:
    """Read what can be read; EvidenceError when there is no such file or folder."""
    try:
        return _scan_folder(path) if path.is_dir() else _scan_zip(path.name, path.read_bytes())
    except OSError as error:
        raise EvidenceError(
            f"cannot read the bundle {path}: {error.strerror or error}; give a .zip file or the "
            "folder it was unpacked to"
        ) from error


def _scan_zip(name: str, data: bytes) -> BundleScan:
    try:
        scan = scan_archive(data)
    except DataError as error:
        return BundleScan({}, (Problem(name, str(error)),))
    problems = [Problem(member, what) for member, what in scan.faults]
    if not problems:
        problems = list(_container_problems(name, data, scan.files))
    return BundleScan(scan.files, tuple(problems))


def _container_problems(name: str, data: bytes, files: Mapping[str, bytes]) -> Iterator[Problem]:
    try:
        differs = differing_byte(data, files)
    except DataError as error:
        yield Problem(name, str(error))
        return
    if differs is None:
        return
    offset, member = differs
    where = f"the container of {member}" if member else "the directory at the end of the container"
    yield Problem(
        member or name,
        f"byte {offset} of {name}, in {where}, is not what the bundle of these files has",
    )


def _scan_folder(folder: Path) -> BundleScan:
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            problems.append(Problem(name, "is a link; a bundle holds files only"))
        elif path.is_file():
            try:
                files[name] = path.read_bytes()
            except OSError as error:
                problems.append(Problem(name, f"cannot be read: {error.strerror or error}"))
        elif not path.is_dir():
            problems.append(Problem(name, "is no regular file; a bundle holds files only"))
    return BundleScan(files, tuple(problems))
