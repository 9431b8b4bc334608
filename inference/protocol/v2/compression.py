"""Bodies that are compressed with gzip or deflate, in both directions."""

import gzip
import zlib

from aihub.metrics import Limited
from aihub.problems import N_, Problem

_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
WORTHWHILE = 1024  # bytes of an answer from which on compressing it can pay
_LEVEL = 1  # tensors hardly shrink: be quick about it


def known(encoding: str) -> bool:
    """Whether `decompressed` reads this Content-Encoding."""
    return encoding.strip().lower() in _WBITS


def decompressed(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was; Problem 413 for more than `most` bytes, 400 for a damaged one."""
    reader = zlib.decompressobj(_WBITS[encoding.strip().lower()])
    try:
        found = reader.decompress(body, most + 1)
    except zlib.error:
        raise _damaged() from None
    if len(found) > most:
        raise Limited("body", 413, N_("The body has more than %(most)s bytes."), most=most)
    if not reader.eof or reader.unused_data:
        raise _damaged()
    return found


def accepted(header: str) -> str:
    """`gzip` or `deflate` where Accept-Encoding names one of them; else empty."""
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "deflate") and weight.strip().rstrip(".0") != "q=":
            return name.strip()
    return ""


def compressed(body: bytes, encoding: str) -> bytes:
    """The body in an encoding that `accepted` named."""
    if encoding == "gzip":
        return gzip.compress(body, _LEVEL, mtime=0)
    return zlib.compress(body, _LEVEL)


def _damaged() -> Problem:
    return Problem(400, N_("The body is not in the encoding that Content-Encoding names."))
