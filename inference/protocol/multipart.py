"""Images out of a multipart body, while it arrives."""

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from aihub.metrics import Limited
from aihub.problems import N_, Problem

FIELD = "image"


async def read_images(content_type: str, chunks: AsyncIterator[bytes], most: int) -> list[bytes]:
    """The content of each field `image`, in order; Problem 400 for any other body."""
    form = _Form(content_type, most)
    async for chunk in chunks:
        form.feed(chunk)
    return form.finish()


class _Form:
    """Collects the parts that the streaming parser reports."""

    def __init__(self, content_type: str, most: int) -> None:
        self._images: list[bytearray] = []
        self._most = most
        self._ended = False
        self._header = bytearray(), bytearray()
        self._disposition = b""
        self._parser = self._new_parser(content_type)

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _malformed() from None

    def finish(self) -> list[bytes]:
        if not self._ended:
            raise _malformed()
        if not self._images:
            raise Problem(400, N_("There is no image: send one or more fields “image”."))
        return [bytes(image) for image in self._images]

    def _new_parser(self, content_type: str) -> MultipartParser:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise Problem(400, N_("The Content-Type names no boundary."))
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._name,
                    "on_header_value": self._value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise _malformed() from None

    def _begin(self) -> None:
        self._disposition = b""
        self._header = bytearray(), bytearray()

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = bytearray(), bytearray()

    def _end_headers(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"name", b"")
        if name != FIELD.encode():
            raise Problem(
                400,
                N_("There is no field “%(name)s”: send images in fields “image”."),
                name=name.decode("utf-8", "replace")[:60],
            )
        if len(self._images) == self._most:
            raise Limited(
                "items", 400, N_("Send at most %(most)s images a request."), most=self._most
            )
        self._images.append(bytearray())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._images[-1] += memoryview(data)[start:end]

    def _end(self) -> None:
        self._ended = True


def _malformed() -> Problem:
    return Problem(400, N_("The body is not a complete multipart/form-data body."))
