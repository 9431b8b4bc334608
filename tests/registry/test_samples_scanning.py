"""Sample files are judged by their content, to their end."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from registry.refusals import Refused
from registry.scanning import samples
from registry.scanning.samples import count_items


def picture(form: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, form)
    return data.getvalue()


def array(*shape: int, dtype: str = "float32") -> bytes:
    data = io.BytesIO()
    np.save(data, np.zeros(shape, dtype))
    return data.getvalue()


def packed(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return data.getvalue()


def count(folder: Path, name: str, content: bytes) -> int:
    path = folder / "content"
    path.write_bytes(content)
    return count_items(path, name)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_is_one_input(tmp_path: Path, form: str) -> None:
    assert count(tmp_path, "a.JPG", picture(form)) == 1


def test_an_archive_holds_as_many_as_its_pictures(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.mkdir("cats")
        archive.writestr("cats/1.jpg", picture("JPEG"))
        archive.writestr("2.png", picture())
    assert count(tmp_path, "a.zip", data.getvalue()) == 2


@pytest.mark.parametrize(
    "lines", ['"text"\n\n"文字"\n', "[1, 2.5]\r\n[3, 4]", '{"a": [1]}\n7\n', "\n".join(["1", "2"])]
)
def test_a_line_of_json_is_one_input(tmp_path: Path, lines: str) -> None:
    assert count(tmp_path, "a.jsonl", lines.encode()) == 2


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "bool"])
def test_an_array_holds_rows(tmp_path: Path, dtype: str) -> None:
    assert count(tmp_path, "a.npy", array(5, 3, dtype=dtype)) == 5


def test_arrays_by_name_hold_rows_together(tmp_path: Path) -> None:
    content = packed(a__npy=array(5, 3), b__npy=array(5, dtype="int64"))
    assert count(tmp_path, "a.npz", content) == 5


def pickled() -> bytes:
    data = io.BytesIO()
    np.save(data, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return data.getvalue()


def claims_more() -> bytes:
    return array(5, 3).replace(b"(5, 3)", b"(9, 3)")


def damaged() -> bytes:
    content = bytearray(packed(a__npy=array(1000, 3)))
    content[60:64] = b"oops"
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jpg", b"", "jsonl"),
        ("a.jsonl", b"", "0 inputs"),
        ("a.jsonl", b"\n\n", "0 inputs"),
        ("a.jsonl", b'"a"\n{', "line 2: not JSON"),
        ("a.jsonl", b"[NaN]", "line 1: not JSON"),
        ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
        ("a.jsonl", b"\xff\xfe", "line 1: not JSON"),
        ("a.jsonl", b'"a"\nnull', "line 2: neither"),
        ("a.jsonl", b"true", "neither"),
        ("a.jsonl", picture(), "ends in .jpg"),
        ("a.jpg", b"text", "ends in .jsonl"),
        ("a.jpg", picture("JPEG", (64, 64))[:-900], "not a picture"),
        ("a.png", picture("PNG", (64, 64))[:-5000], "not a picture"),
        ("a.zip", packed(a__png=picture(), b__txt=b"text"), "a.zip/b.txt is not a picture"),
        ("a.zip", packed(), "0 inputs"),
        ("a.zip", packed(a__png=picture())[:-30], "not an archive"),
        ("a.zip", b"PK\x03\x04nothing", "not an archive"),
        ("a.zip", packed(**{"../a__png": picture()}), "not safe"),
        ("a.zip", packed(**{"/a__png": picture()}), "not safe"),
        ("a.zip", packed(a__png=b"\0" * 70_000_000), "far more"),
        ("a.zip", packed(a__npy=array(2, 3)), "ends in .npz"),
        ("a.npz", packed(a__npy=array(2, 3), b__npy=array(3, 3)), "number of rows"),
        ("a.npz", packed(a__npy=array(2, 3), b__txt=b"text"), "not a NumPy array"),
        ("a.npz", damaged(), "not an? "),
        ("a.npy", array(), "first axis"),
        ("a.npy", array(0, 3), "0 inputs"),
        ("a.npy", pickled(), "array of numbers"),
        ("a.npy", claims_more(), "as many numbers"),
        ("a.npy", array(5, 3)[:-1], "as many numbers"),
        ("a.npy", array(5, 3)[:20], "not a NumPy array"),
        ("a.npy", b"\x93NUMPY\x09\x00" + bytes(200), "not a NumPy array"),
    ],
)
def test_what_is_no_sample_is_refused_with_its_reason(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(Refused, match=message) as refused:
        count(tmp_path, name, content)
    assert str(refused.value).startswith((name, "By its content", "The arrays in"))
    assert json.dumps(refused.value.values)


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(data, "PNG")
    with pytest.raises(Refused, match="more than 50000000 pixels"):
        count(tmp_path, "a.png", data.getvalue())


def test_what_is_larger_than_a_picture_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MAX_PICTURE", 100)
    for name, content in (("a.png", picture()), ("a.zip", packed(a__png=picture()))):
        with pytest.raises(Refused, match="larger than a picture"):
            count(tmp_path, name, content)


def test_an_archive_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MAX_MEMBERS", 1)
    with pytest.raises(Refused, match="more than 1 files"):
        count(tmp_path, "a.zip", packed(a__png=picture(), b__png=picture()))


def test_a_line_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_LINE", 10)
    with pytest.raises(Refused, match="line 1"):
        count(tmp_path, "a.jsonl", b'"' + b"a" * 20 + b'"')
