"""`/api/v1/models/{name}/versions/{version}/download/`: the bytes of a file, whole or a range."""

from functools import partial
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from aihub.api import caller
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.attachments import PARAMETERS, RESPONSES, Content, attachment
from registry.models import ModelVersion, VersionFile
from registry.services.integrity import blob_open


class VersionDownloadView(APIView):
    """The bytes of one file of a version, or the range that `Range` asks for.

    Where the store has an address of its own for clients, they are led there.
    """

    @extend_schema(
        parameters=[
            OpenApiParameter("path", description="Which file, where there are several."),
            *PARAMETERS,
        ],
        responses=RESPONSES,
    )
    def get(self, request: Request, name: str, version: str) -> Any:
        found = selectors.version_get(caller(request), name, version)
        file = _file_of(found, request.query_params.get("path"))
        if file.blob is None:
            raise Problem(409, N_("This file is still being processed."))
        ref = file.blob.ref
        content = Content(file.path, ref.key, ref.size, ref.sha256, partial(blob_open, ref))
        return attachment(request, content)


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
