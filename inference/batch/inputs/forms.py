"""What form a file has: from its content, and from its name where that does not tell."""

from pathlib import PurePosixPath

import orjson

from aihub.problems import N_
from inference.batch.inputs.described import (
    CSV,
    FORMS,
    IMAGES,
    JSONL,
    PARQUET,
    TAR,
    ZIP,
    Described,
    Unreadable,
)
from inference.batch.inputs.lines import BOM
from inference.batch.inputs.sources import opened
from inference.batch.inputs.text_tables import is_wide
from inference.batch.rows import Files

_HEAD = 64 << 10
_MAGIC = {
    b"PK\x03\x04": ZIP,
    b"PK\x05\x06": ZIP,
    b"PAR1": PARQUET,
    b"\xff\xd8\xff": IMAGES,
    b"\x89PNG": IMAGES,
    b"GIF8": IMAGES,
    b"II*\0": IMAGES,
    b"MM\0*": IMAGES,
}
_ENDINGS = {
    **dict.fromkeys((".csv", ".tsv"), CSV),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), JSONL),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"), IMAGES),
    ".zip": ZIP,
    ".tar": TAR,
    ".tgz": TAR,
    ".parquet": PARQUET,
}
_WRAPPINGS = (".gz", ".zst")


def form_of(files: Files, key: str, described: Described) -> str:
    """One of FORMS; Unreadable for an object that is missing, or of none of them."""
    name = described.name(key)
    try:
        with opened(files, key) as (stream, _):
            head = stream.read(_HEAD)
    except FileNotFoundError:
        raise Unreadable(N_("There is no file “%(name)s”."), name=name) from None
    form = _from_magic(head) or _from_text(head, name, described.encoding)
    if not form:
        raise Unreadable(
            N_("“%(name)s” is in no form that can be read, which are %(forms)s."),
            name=name,
            forms=", ".join(FORMS),
        )
    return form


def form_of_name(name: str) -> str:
    """What the ending of a name says; empty where it says nothing."""
    path = PurePosixPath(name.lower())
    if path.suffix in _WRAPPINGS:
        path = path.with_suffix("")
    return _ENDINGS.get(path.suffix, "")


def _from_magic(head: bytes) -> str:
    form = next((form for magic, form in _MAGIC.items() if head.startswith(magic)), "")
    if not form and (head[257:262] == b"ustar"):
        return TAR
    if not form and head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return IMAGES
    return IMAGES if head[:2] == b"BM" and b"\0" in head[:64] else form


def _from_text(head: bytes, name: str, encoding: str) -> str:
    named = form_of_name(name)
    if is_wide(encoding):
        head = head.decode(encoding, "ignore").encode("utf-8", "ignore").removeprefix(BOM)
    if b"\0" in head:
        return named
    lines = head.removeprefix(BOM).lstrip().split(b"\n", 1)
    if not lines[0]:
        return named
    if lines[0][:1] in b"{[" and (len(lines) == 1 or _is_json(lines[0])):
        return JSONL
    if named:
        return named
    return JSONL if lines[0][:1] == b'"' and _is_json(lines[0]) else CSV


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
