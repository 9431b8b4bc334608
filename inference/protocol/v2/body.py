"""The body of a request: judged by its head, read, and decompressed."""

from aihub.metrics import Limited
from aihub.problems import N_, Problem
from inference.protocol.off_loop import off_loop
from inference.protocol.requests import JSON, Request
from inference.protocol.types import Services
from inference.protocol.v2 import compression
from inference.protocol.v2.infer_answer import OCTETS

# curl calls what it is given a form unless told otherwise, and other clients call it nothing.
_TYPES = frozenset({"", JSON, OCTETS, "application/x-www-form-urlencoded"})


def check_head(request: Request, services: Services) -> None:
    """Problem 413 or 415 for what need not be read."""
    declared = request.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:20]) > services.limits.body:
        most = services.limits.body
        raise Limited("body", 413, N_("The body has more than %(most)s bytes."), most=most)
    if request.content_type not in _TYPES:
        raise Problem(415, N_("Send %(json)s or %(octets)s."), json=JSON, octets=OCTETS)
    encoding = request.header(b"content-encoding")
    if encoding and not compression.known(encoding):
        raise Problem(415, N_("Send the body as it is, or in gzip or deflate."))


async def read_body(request: Request, services: Services) -> bytes:
    """The whole body, decompressed; call `check_head` first. Problem 400 or 413."""
    body = await request.body()
    encoding = request.header(b"content-encoding")
    if not encoding:
        return body
    return await off_loop(
        services, len(body), compression.decompressed, body, encoding, services.limits.body
    )
