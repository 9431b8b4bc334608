"""`/api/v1/models/{name}/versions/{version}/download/`: the bytes of a file, whole or a range."""

import re
from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from aihub.api import caller
from aihub.problems import N_, Problem
from registry import selectors
from registry.models import ModelVersion, VersionFile
from registry.parts_s3 import download_url
from registry.services.integrity import blob_open
from registry.storage import BlobRef

_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})", re.ASCII)


class VersionDownloadView(APIView):
    """The bytes of one file of a version, or the range that `Range` asks for.

    Where the store has an address of its own for clients, they are led there.
    """

    @extend_schema(
        parameters=[
            OpenApiParameter("path", description="Which file, where there are several."),
            OpenApiParameter("Range", location="header", description="One range of bytes."),
            OpenApiParameter("If-Range", location="header", description="Only of this `ETag`."),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
            302: OpenApiResponse(description="Where the store itself has it."),
            (416, "application/problem+json"): OpenApiResponse(
                {"$ref": "#/components/schemas/Problem"}, "The file is shorter than that."
            ),
        },
    )
    def get(self, request: Request, name: str, version: str) -> Any:
        found = selectors.version_get(caller(request), name, version)
        file = _file_of(found, request.query_params.get("path"))
        if file.blob is None:
            raise Problem(409, N_("This file is still being processed."))
        if settings.ENV.AIHUB_S3_PUBLIC_ENDPOINT and settings.ENV.AIHUB_S3_ENDPOINT:
            return _elsewhere(file.path, file.blob.ref)
        return _attachment(request, file.path, file.blob.ref)


def _elsewhere(name: str, ref: BlobRef) -> HttpResponse:
    url = download_url(ref.key, _disposition(name))
    return HttpResponse(status=302, headers={"Location": url, "Cache-Control": "no-store"})


def _attachment(request: Request, name: str, ref: BlobRef) -> StreamingHttpResponse:
    wanted = _range_of(request, ref)
    headers = {
        "Content-Disposition": _disposition(name),
        "Content-Length": str(ref.size),
        "ETag": f'"{ref.sha256}"',
        "Accept-Ranges": "bytes",
    }
    if wanted is None:
        return _stream(blob_open(ref), 200, headers)
    first, last = wanted
    headers["Content-Length"] = str(last - first + 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{ref.size}"
    return _stream(blob_open(ref, first, last - first + 1), 206, headers)


def _stream(content: Any, status: int, headers: dict[str, str]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        content, status=status, content_type="application/octet-stream", headers=headers
    )


def _range_of(request: Request, ref: BlobRef) -> tuple[int, int] | None:
    """First and last byte asked for; None for all of it, as for what is no single range."""
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if not match or match.groups() == ("", ""):
        return None
    if request.headers.get("If-Range", f'"{ref.sha256}"') != f'"{ref.sha256}"':
        return None
    first, last = match.groups()
    if not first:
        start, end = max(ref.size - int(last), 0), ref.size - 1
        start = ref.size if int(last) == 0 else start
    else:
        start, end = int(first), min(int(last or ref.size), ref.size - 1)
        if last and int(last) < start:
            return None
    if start >= ref.size:
        raise Problem(
            416,
            N_("The file has %(size)s bytes, no such range."),
            size=ref.size,
            headers={"Content-Range": f"bytes */{ref.size}"},
        )
    return start, end


def _disposition(name: str) -> str:
    return content_disposition_header(True, name.rpartition("/")[2]) or "attachment"


def _file_of(version: ModelVersion, path: str | None) -> VersionFile:
    files = list(version.files.all())
    if path is None and len(files) > 1:
        raise Problem(
            400,
            N_("This version has several files; add ?path= with one of: %(paths)s."),
            paths=", ".join(file.path for file in files),
        )
    for file in files:
        if path in (None, file.path):
            return file
    raise Problem(404, N_("This version has no file “%(path)s”."), path=str(path)[:200])
