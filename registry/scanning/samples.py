"""Sample inputs of a model: what kind a file is by its content, and how many inputs it holds.

Pictures, `.zip` of pictures, `.jsonl` (a text or one input a line), `.npy` and `.npz` (rows).
Everything is read to its end here, so that whoever takes inputs out of it finds them whole.
"""

import json
import lzma
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from PIL import Image

from registry.refusals import N_, Refused

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_MEMBERS = 10_000
MAX_ITEMS = 1_000_000
MAX_PIXELS = 50_000_000
MAX_PICTURE = 64 * 1024 * 1024  # bytes
MAX_LINE = 4 * 1024 * 1024  # bytes
MAX_RATIO = 200  # bytes unpacked for one packed
_SMALL = 64 * 1024 * 1024  # bytes unpacked that are no bomb at any ratio
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(OSError, RuntimeError, NotImplementedError),  # encrypted, or packed in an unknown way
)

# Pillow's own limit counts for a process; ours is checked for each picture, before decoding.
Image.MAX_IMAGE_PIXELS = None


def count_items(path: Path, name: str) -> int:
    """How many inputs the local file `path` holds; Refused where it is no sample file.

    `name` is what its owner calls it: its ending must say what the content is.
    """
    count, endings = _kind(path)
    if PurePosixPath(name).suffix.lower() not in endings:
        raise Refused(
            N_("By its content %(file)s should have a name that ends in %(endings)s."),
            file=name,
            endings=", ".join(endings),
        )
    items = count(path, name)
    if not 0 < items <= MAX_ITEMS:
        raise Refused(
            N_("%(file)s holds %(items)s inputs; a file may hold 1 to %(most)s."),
            file=name,
            items=items,
            most=MAX_ITEMS,
        )
    return items


def _kind(path: Path) -> tuple[Callable[[Path, str], int], tuple[str, ...]]:
    """What counts the inputs of such content, and how its name may end."""
    with path.open("rb") as file:
        head = file.read(6)
    if head == np.lib.format.MAGIC_PREFIX:
        return _array, (".npy",)
    if head.startswith(b"PK"):
        return (_arrays, (".npz",)) if _holds_arrays(path) else (_pictures, (".zip",))
    if _is_picture(path):
        return _picture, PICTURES
    return _lines, (".jsonl",)


def _holds_arrays(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except _BROKEN:
        return False


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except Exception:
        return False


def _picture(path: Path, name: str) -> int:
    if path.stat().st_size > MAX_PICTURE:
        raise Refused(N_("%(file)s is larger than a picture may be."), file=name)
    _decode(path, name)
    return 1


def _decode(source: Path | IO[bytes], name: str) -> None:
    """Decode a picture, JPEG at an eighth of its size: what is cut off shows all the same."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            if math.prod(image.size) > MAX_PIXELS:
                raise Refused(
                    N_("%(file)s has more than %(most)s pixels."), file=name, most=MAX_PIXELS
                )
            image.draft("RGB", (1, 1))
            image.load()
    except Refused:
        raise
    except Exception:
        raise Refused(N_("%(file)s is not a picture that can be read."), file=name) from None


def _pictures(path: Path, name: str) -> int:
    with _members(path, name) as (archive, members):
        for member in members:
            inside = f"{name}/{member.filename}"[:200]
            if member.file_size > MAX_PICTURE:
                raise Refused(N_("%(file)s is larger than a picture may be."), file=inside)
            with archive.open(member) as file:
                _decode(file, inside)
        return len(members)


def _arrays(path: Path, name: str) -> int:
    """Arrays by the inputs' names, each with as many rows."""
    rows = set()
    with _members(path, name) as (archive, members):
        for member in members:
            inside = f"{name}/{member.filename}"[:200]
            with archive.open(member) as file:
                rows.add(_rows(file, member.file_size, inside))
                while file.read(MAX_LINE):  # its check sum is compared at the end
                    pass
    if len(rows) != 1:
        raise Refused(N_("The arrays in %(file)s differ in their number of rows."), file=name)
    return rows.pop()


def _array(path: Path, name: str) -> int:
    with path.open("rb") as file:
        return _rows(file, path.stat().st_size, name)


def _rows(file: IO[bytes], size: int, name: str) -> int:
    """How many rows a `.npy` of `size` bytes holds, from a header that fits its bytes."""
    try:
        shape, dtype = _header(file)
    except ValueError:
        raise Refused(N_("%(file)s is not a NumPy array."), file=name) from None
    if dtype.kind not in "biuf" or not shape:
        raise Refused(
            N_("%(file)s must be an array of numbers, its first axis the rows."), file=name
        )
    if math.prod(shape) * dtype.itemsize != size - file.tell():
        raise Refused(N_("%(file)s does not hold as many numbers as it says."), file=name)
    return shape[0]


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a `.npy`; ValueError for anything else. Nothing is unpickled."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(version)
    shape, _, dtype = readers[version](file)
    if any(size < 0 for size in shape):
        raise ValueError(shape)
    return shape, dtype


@contextmanager
def _members(path: Path, name: str) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """An archive with its files, once they are known to be few, small enough and well named."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check(members, path.stat().st_size, name)
            yield archive, members
    except _BROKEN:
        raise Refused(N_("%(file)s is not an archive that can be read."), file=name) from None


def _check(members: list[zipfile.ZipInfo], packed: int, name: str) -> None:
    if len(members) > MAX_MEMBERS:
        raise Refused(N_("%(file)s holds more than %(most)s files."), file=name, most=MAX_MEMBERS)
    if sum(member.file_size for member in members) > max(_SMALL, packed * MAX_RATIO):
        raise Refused(N_("%(file)s unpacks to far more than it is."), file=name)
    names = {member.filename for member in members}
    if len(names) != len(members) or any(map(_is_bad_name, names)):
        raise Refused(N_("%(file)s holds a file by a name that is not safe."), file=name)


def _is_bad_name(name: str) -> bool:
    return name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts


def _lines(path: Path, name: str) -> int:
    items = 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
            if line.strip():
                _check_line(line, name, number)
                items += 1
    return items


def _check_line(line: bytes, name: str, number: int) -> None:
    """A line is a text, a number, or a list or object as one input of a prediction."""
    try:
        if len(line) > MAX_LINE:
            raise ValueError(number)
        value = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused(N_("%(file)s, line %(line)s: not JSON."), file=name, line=number) from None
    if value is None or isinstance(value, bool):
        raise Refused(
            N_("%(file)s, line %(line)s: neither a text nor an input."), file=name, line=number
        )


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON
