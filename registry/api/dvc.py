"""`…/versions/{version}/dvc/`: the files by which DVC fetches a version from the store."""

from typing import Any

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller
from aihub.problems import N_, Problem
from registry import dvc, selectors
from registry.models import ModelVersion
from registry.models.versions import State
from registry.services.directories import directory_ensure


class RemoteOutput(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["s3", "local"])
    url = serializers.CharField()
    endpointurl = serializers.CharField(required=False)
    region = serializers.CharField(required=False)
    config = serializers.CharField(help_text="What to put into .dvc/config; no credentials.")


class PointerOutput(serializers.Serializer[Any]):
    path = serializers.CharField()
    content = serializers.CharField()


class DvcOutput(serializers.Serializer[Any]):
    remote = RemoteOutput()
    files = PointerOutput(many=True)
    directory = PointerOutput(allow_null=True)


class AsPlanned(BaseContentNegotiation):
    """JSON whatever is accepted, and whatever `?format=` says; that is the view's own."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class DvcView(APIView):
    """The `.dvc` files of a ready version, and the remote that they are fetched from."""

    content_negotiation_class = AsPlanned

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "path",
                description="One of them, as plain text: the path of the file, or of its .dvc.",
            ),
            OpenApiParameter("file", description="The same as `path`."),
            OpenApiParameter(
                "format",
                enum=["json", "raw"],
                description="`raw`: plain text, where there is one to be had or `path` names one.",
            ),
        ],
        responses={(200, "application/json"): DvcOutput, (200, "text/plain"): str},
    )
    def get(self, request: Request, name: str, version: str) -> Response | HttpResponse:
        found = selectors.version_get(caller(request), name, version)
        _check_ready(found)
        files, directory = _pointers(found)
        given = request.query_params
        wanted = given.get("path") or given.get("file")
        if wanted or given.get("format") == "raw":
            return _raw(_named([*files, *([directory] if directory else [])], wanted))
        answer = {"remote": dvc.remote(), "files": files, "directory": directory}
        return Response(DvcOutput(answer).data)


def _check_ready(version: ModelVersion) -> None:
    if version.state != State.READY:
        raise Problem(
            409,
            N_("Version %(version)s is %(state)s; it has .dvc files once it is ready."),
            version=version.version,
            state=version.state,
        )


def _pointers(version: ModelVersion) -> tuple[list[dvc.Pointer], dvc.Pointer | None]:
    files = [dvc.file_pointer(path, ref) for path, ref in sorted(dvc.refs_of(version).items())]
    directory = directory_ensure(version)
    if directory is None:
        return files, None
    return files, dvc.directory_pointer(version.model.name, directory)


def _named(pointers: list[dvc.Pointer], path: str | None) -> dvc.Pointer:
    """The pointer of this path, or of the whole version where none is named."""
    if path is None:
        return pointers[-1]
    for pointer in pointers:
        if path in (pointer.path, pointer.path.removesuffix(".dvc")):
            return pointer
    raise Problem(404, N_("This version has no file “%(path)s”."), path=path[:200])


def _raw(pointer: dvc.Pointer) -> HttpResponse:
    name = pointer.path.rpartition("/")[2]
    headers = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    return HttpResponse(pointer.content, content_type="text/plain; charset=utf-8", headers=headers)
