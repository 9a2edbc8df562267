"""The same files give the same archive, and any other archive is told from it."""

import io
import zipfile

import pytest

from cellula.core.errors import DataError
from cellula.io.archive import archive_bytes, differing_byte, read_archive, scan_archive

FILES = {"b/c.json": b"{}", "a.txt": b"hello", "b/ä.bin": bytes(range(256)), "empty": b""}


def test_order_of_files_does_not_matter() -> None:
    data = archive_bytes(FILES)
    assert archive_bytes(dict(reversed(FILES.items()))) == data
    assert read_archive(data) == FILES
    assert differing_byte(data, FILES) is None


def test_bytes_are_fixed() -> None:
    """An archive of one file, byte by byte: a change here breaks every bundle in the world."""
    data = archive_bytes({"a": b"x"})
    assert data.hex() == (
        "504b030414000000000000002100831 6dc8c0100000001000000010000006178"
        "504b0102140314000000000000002100831 6dc8c01000000010000000100000000000000"
        "00000000a48100000000 61504b050600000000010001002f000000200000000000"
    ).replace(" ", "")


def test_any_unzip_reads_it() -> None:
    with zipfile.ZipFile(io.BytesIO(archive_bytes(FILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a//b", "a\\b", "", "a/", "c:x", "tab\t", "./a"]
)
def test_a_name_that_is_no_plain_path(name: str) -> None:
    with pytest.raises(DataError, match="cannot be the name of a file"):
        archive_bytes({name: b""})


def test_a_file_that_is_also_a_folder() -> None:
    with pytest.raises(DataError, match="is a file and also the folder"):
        archive_bytes({"a": b"", "a/b": b""})


def test_every_flipped_bit_is_seen() -> None:
    data = archive_bytes({"a/b.txt": b"some text", "c": b"more"})
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            try:
                scan = scan_archive(bytes(changed))
            except DataError:
                continue
            try:
                assert scan.faults or differing_byte(bytes(changed), scan.files), (position, bit)
            except DataError:
                continue


def test_every_cut_is_seen() -> None:
    data = archive_bytes(FILES)
    for length in range(len(data)):
        with pytest.raises(DataError):
            read_archive(data[:length])
    assert differing_byte(data + b"x", FILES) == (len(data), "")


def test_the_member_of_a_flipped_byte_is_named() -> None:
    data = bytearray(archive_bytes(FILES))
    start = data.index(b"hello")
    data[start] ^= 1
    with pytest.raises(DataError, match=r"member 'a.txt'.*CRC"):
        read_archive(bytes(data))
    assert "b/c.json" in scan_archive(bytes(data)).files


def test_the_member_of_a_changed_header_is_named() -> None:
    data = bytearray(archive_bytes(FILES))
    time = data.index(b"PK\x03\x04", 5) + 10  # second member: its time, which no reader checks
    data[time] ^= 1
    assert differing_byte(bytes(data), FILES) == (time, "b/c.json")


def test_compressed_doubled_and_climbing_members_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("twice", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("twice", b"2")
        archive.writestr("../up", b"3")
        archive.writestr("bomb", bytes(1000), zipfile.ZIP_DEFLATED)
    faults = dict(scan_archive(buffer.getvalue()).faults)
    assert "twice in the archive" in faults["twice"]
    assert "plain relative path" in faults["../up"]
    assert "compressed" in faults["bomb"]


def test_no_archive() -> None:
    with pytest.raises(DataError, match="no readable zip archive"):
        read_archive(b"not a zip")
