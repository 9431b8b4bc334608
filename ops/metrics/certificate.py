"""When the certificate ends that a server shows, trusted or not."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

SECONDS = 5.0
_VERSION, _UTC_TIME = 0xA0, 0x17  # tags of DER


def expiry_of(host: str, port: int = 443) -> float:
    """Its end in seconds since 1970; OSError where there is no TLS, ValueError for none."""
    context = ssl.create_default_context()
    context.check_hostname = False  # one that is not trusted, or over, has an end too
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host) as server,
    ):
        return not_after(server.getpeercert(binary_form=True) or b"")


def not_after(der: bytes) -> float:
    """The end of an X.509 certificate's validity; ValueError."""
    try:
        certificate = next(_elements(der))
        fields = list(_elements(next(_elements(certificate.content)).content))
        if fields[0].tag == _VERSION:
            del fields[0]
        _serial, _signature, _issuer, validity, *_ = fields
        _begin, end = _elements(validity.content)
        return _seconds(end)
    except (IndexError, StopIteration) as error:
        raise ValueError("this is no certificate") from error


class _Element(NamedTuple):
    """A value of DER with its tag."""

    tag: int
    content: bytes


def _elements(der: bytes) -> Iterator[_Element]:
    """The values that stand one behind the other."""
    while der:
        length, head = der[1], 2
        if length & 0x80:
            head += length & 0x7F
            length = int.from_bytes(der[2:head], "big")
        yield _Element(der[0], der[head : head + length])
        der = der[head + length :]


def _seconds(time: _Element) -> float:
    text = time.content.decode("ascii")
    form = "%y%m%d%H%M%SZ" if time.tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
