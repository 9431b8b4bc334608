"""Content as a download: whole or one range of it, or led to where the store itself has it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request

from aihub.problems import N_, Problem
from registry.parts_s3 import download_url
from registry.storage import Reading

_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})", re.ASCII)
PARAMETERS = (
    OpenApiParameter("Range", location="header", description="One range of bytes."),
    OpenApiParameter("If-Range", location="header", description="Only of this `ETag`."),
)
RESPONSES: dict[Any, Any] = {
    (200, "application/octet-stream"): OpenApiTypes.BINARY,
    (206, "application/octet-stream"): OpenApiTypes.BINARY,
    302: OpenApiResponse(description="Where the store itself has it."),
    (416, "application/problem+json"): OpenApiResponse(
        {"$ref": "#/components/schemas/Problem"}, "The file is shorter than that."
    ),
}


@dataclass(frozen=True, slots=True)
class Content:
    """What is downloaded: a name for it, its place in the store, its size and its sum.

    `open(start, size)` reads that much of it from there on; without a size, all of it.
    """

    name: str
    key: str
    size: int
    sha256: str
    open: Callable[[int, int | None], Reading]


def attachment(request: Request, content: Content) -> HttpResponse | StreamingHttpResponse:
    """The answer; where the store has an address of its own for clients, they are led there."""
    disposition = _disposition(content.name)
    if settings.ENV.AIHUB_S3_PUBLIC_ENDPOINT and settings.ENV.AIHUB_S3_ENDPOINT:
        url = download_url(content.key, disposition)
        return HttpResponse(status=302, headers={"Location": url, "Cache-Control": "no-store"})
    wanted = _range_of(request, content)
    headers = {
        "Content-Disposition": disposition,
        "Content-Length": str(content.size),
        "ETag": f'"{content.sha256}"',
        "Accept-Ranges": "bytes",
    }
    if wanted is None:
        return _stream(content.open(0, None), 200, headers)
    first, last = wanted
    headers["Content-Length"] = str(last - first + 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{content.size}"
    return _stream(content.open(first, last - first + 1), 206, headers)


def _stream(content: Any, status: int, headers: dict[str, str]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        content, status=status, content_type="application/octet-stream", headers=headers
    )


def _range_of(request: Request, content: Content) -> tuple[int, int] | None:
    """First and last byte asked for; None for all of it, as for what is no single range."""
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if not match or match.groups() == ("", ""):
        return None
    tag = f'"{content.sha256}"'
    if request.headers.get("If-Range", tag) != tag:
        return None
    first, last = match.groups()
    if not first:
        start, end = max(content.size - int(last), 0), content.size - 1
        start = content.size if int(last) == 0 else start
    else:
        start, end = int(first), min(int(last or content.size), content.size - 1)
        if last and int(last) < start:
            return None
    if start >= content.size:
        raise Problem(
            416,
            N_("The file has %(size)s bytes, no such range."),
            size=content.size,
            headers={"Content-Range": f"bytes */{content.size}"},
        )
    return start, end


def _disposition(name: str) -> str:
    return content_disposition_header(True, name.rpartition("/")[2]) or "attachment"
