"""Pictures: objects, zip and tar archives, also damaged and hostile ones."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from inference.batch.inputs import Described, Unreadable, describe, places
from inference.batch.inputs.zips import zip_entries
from tests.inference.batch.folder import FolderFiles
from tests.inference.batch.inputs_reading import PICTURE, TEXT, plain, read

PICTURES = [(f"p/{i}.jpg", bytes([i]) * (i * 700)) for i in range(10)]


def zipped(method: int = zipfile.ZIP_STORED, **more: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, data in PICTURES + list(more.items()):
            archive.writestr(name, data)
    return sink.getvalue()


def tarred(mode: str = "w", format: int = tarfile.PAX_FORMAT, **more: bytes) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode, format=format) as archive:  # type: ignore[call-overload]
        for name, data in PICTURES + list(more.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


ARCHIVES = {
    "stored.zip": zipped(),
    "deflated.zip": zipped(zipfile.ZIP_DEFLATED),
    "behind-a-program.zip": b"#!/bin/sh\n" * 30 + zipped(),
    "plain.tar": tarred(),
    "gnu.tar": tarred(format=tarfile.GNU_FORMAT),
    "packed.tar.gz": tarred("w:gz"),
    "packed.tar.zst": pa.compress(tarred(), codec="zstd", asbytes=True),
}


def put(folder: Path, name: str, data: bytes) -> str:
    return FolderFiles(folder).put(name, data)


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("name", ARCHIVES)
def test_every_archive_gives_its_pictures_in_order(tmp_path: Path, name: str, rows: int) -> None:
    key = put(tmp_path, name, ARCHIVES[name])
    form = {"form": "zip"} if name.startswith("behind") else {}
    assert read(tmp_path, PICTURE, key, rows=rows, **form) == PICTURES


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_objects_are_rows_in_their_order_and_one_that_is_gone_a_fault(
    tmp_path: Path, rows: int
) -> None:
    store = FolderFiles(tmp_path)
    keys = [store.put(name, b"\xff\xd8\xff" + data) for name, data in PICTURES]
    (tmp_path / keys[3]).unlink()
    found = plain(read(tmp_path, PICTURE, *keys, rows=rows))
    assert [key for key, _ in found] == keys
    assert found[3][1] == f"There is no object “{keys[3]}” in the store."
    assert found[4][1] == b"\xff\xd8\xff" + PICTURES[4][1]


def test_folders_and_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    more = {"p/": b"", "__MACOSX/p/._1.jpg": b"x", ".DS_Store": b"x", "p/.hidden/a.jpg": b"x"}
    assert read(tmp_path, PICTURE, put(tmp_path, "a.zip", zipped(**more))) == PICTURES
    del more["p/"]
    assert read(tmp_path, PICTURE, put(tmp_path, "a.tar", tarred(**more))) == PICTURES


def test_names_may_be_long_doubled_and_in_any_script(tmp_path: Path) -> None:
    more = {"图片/" + "n" * 300 + ".jpg": b"long", "é.jpg": b"e"}
    expected = [*PICTURES, *more.items()]
    for name, data in {"a.zip": zipped(**more), "a.tar": tarred(**more)}.items():
        assert read(tmp_path, PICTURE, put(tmp_path, name, data)) == expected
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.jpg", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.jpg", b"2")
    assert read(tmp_path, PICTURE, put(tmp_path, "b.zip", sink.getvalue())) == [
        ("a.jpg", b"1"),
        ("a.jpg", b"2"),
    ]


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo("x.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        archive.addfile(tarfile.TarInfo("real.jpg"))
    assert read(tmp_path, PICTURE, put(tmp_path, "a.tar", sink.getvalue())) == [("real.jpg", b"")]


def test_entries_that_cannot_be_unpacked_are_faults(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", b"\0" * (3 << 20))
        archive.writestr("lzma.jpg", b"hello", zipfile.ZIP_LZMA)
        archive.writestr("secret.jpg", b"hello")
        archive.writestr("broken.jpg", b"hello hello hello hello" * 9)
        archive.writestr("sound.jpg", b"hello")
        infos = {info.filename: info for info in archive.infolist()}
    data = bytearray(sink.getvalue())
    directory = data.index(b"PK\x01\x02")
    entry = data.rindex(b"PK\x01\x02", 0, data.index(b"secret.jpg", directory))
    data[entry + 8] |= 1
    data[infos["broken.jpg"].header_offset + 30 + len("broken.jpg") + 4] ^= 0xFF
    found = dict(plain(read(tmp_path, PICTURE, put(tmp_path, "a.zip", bytes(data)))))
    assert found["bomb.jpg"].startswith("The entry grows from")
    assert found["lzma.jpg"].startswith("The entry is compressed by method 14")
    assert found["secret.jpg"] == "The entry is encrypted."
    assert found["broken.jpg"] == "The entry is damaged."
    assert found["sound.jpg"] == b"hello"


def test_an_entry_that_says_less_than_it_unpacks_to_is_a_fault(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"\0" * (200 << 20))
    data = bytearray(sink.getvalue())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<L", 100)
    assert plain(read(tmp_path, PICTURE, put(tmp_path, "a.zip", bytes(data)))) == [
        ("a.jpg", "The entry is damaged.")
    ]


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("name", ["stored.zip", "deflated.zip", "plain.tar", "packed.tar.gz"])
def test_a_cut_archive_gives_what_can_be_read_and_a_last_fault(
    tmp_path: Path, name: str, rows: int
) -> None:
    data = ARCHIVES[name]
    whole = data.index(b"p/7.jpg") if name != "packed.tar.gz" else len(data) // 2
    found = plain(read(tmp_path, PICTURE, put(tmp_path, name, data[: whole + 20]), rows=rows))
    assert found[-1][1] == "The archive is damaged here, or ends early."
    assert found[:-1] == PICTURES[: len(found) - 1]
    assert len(found) >= 2


def test_an_archive_that_was_streamed_and_cut_is_found_through_its_data(tmp_path: Path) -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *args: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    sink = Unseekable()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in PICTURES:
            archive.writestr(name, data)
    data = sink.getvalue()
    assert read(tmp_path, PICTURE, put(tmp_path, "whole.zip", data)) == PICTURES
    cut = data[: data.index(b"p/8.jpg") + 10]
    found = plain(read(tmp_path, PICTURE, put(tmp_path, "cut.zip", cut), rows=3))
    assert found[:8] == PICTURES[:8]


def test_damage_within_a_tar_ends_it_with_a_fault(tmp_path: Path) -> None:
    data = bytearray(ARCHIVES["gnu.tar"])
    place = data.index(b"p/6.jpg")
    data[place : place + 512] = b"\x7f" * 512
    found = plain(read(tmp_path, PICTURE, put(tmp_path, "a.tar", bytes(data))))
    assert found == [*PICTURES[:6], ("a.tar", "The archive is damaged here, or ends early.")]


@pytest.mark.parametrize("rows", [1, 100])
def test_a_header_that_asks_for_gigabytes_is_not_read(tmp_path: Path, rows: int) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 7 << 30
    data = ARCHIVES["gnu.tar"][:512] + member.tobuf(tarfile.GNU_FORMAT)
    for name, body in {"a.tar": data, "a.tar.gz": gzip.compress(data + b"\0" * (8 << 20))}.items():
        found = plain(read(tmp_path, PICTURE, put(tmp_path, name, body), rows=rows))
        assert found[-1][1] == "The archive is damaged here, or ends early."


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_what_holds_nothing_that_can_be_read_is_refused(tmp_path: Path, name: str) -> None:
    for data in (b"\x01\x02\0" * 400, ARCHIVES["stored.zip"][:25], b""):
        with pytest.raises(Unreadable):
            read(tmp_path, PICTURE, put(tmp_path, name, data))


def test_an_archive_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="the model takes a table"):
        read(tmp_path, TEXT, put(tmp_path, "a.zip", ARCHIVES["stored.zip"]))


def test_more_entries_than_sixteen_bits_count_are_all_found(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(70_000):
            archive.writestr(f"{number}.jpg", b"")
    store = FolderFiles(tmp_path)
    described = describe(store, Described(("many.zip",)), PICTURE)
    found = list(places(store, described, PICTURE, 20_000, "spill"))
    assert [place.rows for place in found] == [20_000, 20_000, 20_000, 10_000]


def test_sizes_beyond_thirty_two_bits_are_understood(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        with archive.open("a.jpg", "w", force_zip64=True) as entry:
            entry.write(b"hello")
        archive.getinfo("a.jpg").extra = b""
    data = bytearray(sink.getvalue())
    entry_at = data.index(b"PK\x01\x02")
    name_end = entry_at + 46 + 5
    extra = struct.pack("<2H3Q", 1, 24, 5, 5, 0)
    data[entry_at + 20 : entry_at + 28] = b"\xff" * 8
    data[entry_at + 42 : entry_at + 46] = b"\xff" * 4
    data[entry_at + 30 : entry_at + 32] = struct.pack("<H", len(extra))
    old = struct.unpack_from("<H", sink.getvalue(), entry_at + 30)[0]
    data[name_end : name_end + old] = extra
    end = data.rindex(b"PK\x05\x06")
    length = struct.unpack_from("<L", data, end + 12)[0] + len(extra) - old
    data[end + 12 : end + 16] = struct.pack("<L", length)
    [entry] = zip_entries(io.BytesIO(data), len(data))
    assert (entry.start, entry.packed, entry.size) == (0, 5, 5)
