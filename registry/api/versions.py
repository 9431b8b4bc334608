"""`/api/v1/models/{name}/versions/…`: publish, read, edit, delete, download."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action, Principal
from aihub.api import JSONParser, caller, validated
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.fields import NAME
from registry.api.listing import KeyedPagination
from registry.api.pointed import PointedVersion
from registry.api.searching import Search
from registry.api.serializers import (
    VersionChanges,
    VersionInput,
    VersionOutput,
    VersionSummary,
)
from registry.api.streaming import StagingUploadHandler
from registry.models import ModelVersion, RegisteredModel, Upload, VersionFile
from registry.searching.conditions import versions_where
from registry.services.integrity import blob_open
from registry.services.models import denied, model_ensure
from registry.services.pointers import content_pointed
from registry.services.samples import JudgedSample, samples_judge
from registry.services.taken import in_trash, model_taken
from registry.services.uploads import uploads_peek
from registry.services.variants import variants_renew
from registry.services.versions import (
    Publication,
    version_create,
    version_delete,
    version_update,
)
from registry.storage import BlobRef


class VersionListView(generics.ListAPIView[ModelVersion]):
    """Versions of a model, the newest semantic version first; publish one."""

    serializer_class = VersionSummary
    parser_classes = (MultiPartParser, JSONParser)
    filter_backends = (Search,)
    search_where = staticmethod(versions_where)
    pagination_class = KeyedPagination
    queryset = ModelVersion.objects.none()

    def get_queryset(self) -> QuerySet[ModelVersion]:
        model = selectors.model_get(caller(self.request), self.kwargs["name"])
        return model.versions.order_by("-sort_key")

    def rows_of(self, keys: Sequence[int]) -> QuerySet[ModelVersion]:
        return selectors.versions_listed(ModelVersion.objects.filter(pk__in=keys))

    @extend_schema(
        request={"multipart/form-data": VersionInput, "application/json": PointedVersion},
        responses={202: VersionOutput},
    )
    def post(self, request: Request, name: str) -> Response:
        principal = caller(request)
        _check_may_publish(principal, name)
        if request.content_type.partition(";")[0].strip() == JSONParser.media_type:
            return Response(_represent(_publish_pointed(request, name, principal), principal), 202)
        handler = StagingUploadHandler(request._request, created_by=principal.name)
        request._request.upload_handlers = [handler]
        try:
            version = _publish(request, name, principal)
        finally:
            handler.discard()
        return Response(_represent(version, principal), status=202)


class VersionView(APIView):
    """One version."""

    @extend_schema(responses=VersionOutput)
    def get(self, request: Request, name: str, version: str) -> Response:
        found = selectors.version_get(caller(request), name, version)
        return Response(VersionOutput(found, context={"caller": caller(request)}).data)

    @extend_schema(request=VersionChanges, responses=VersionOutput)
    def patch(self, request: Request, name: str, version: str) -> Response:
        found = selectors.version_get(caller(request), name, version, Action.PUBLISH)
        changes = validated(VersionChanges, request.data)
        version_update(found, principal=caller(request), changes=changes)
        return Response(_represent(found, caller(request)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, version: str) -> Response:
        found = selectors.version_get(caller(request), name, version, Action.DELETE)
        version_delete(found, principal=caller(request))
        return Response(status=204)


class VersionOptimiseView(APIView):
    """The variants of a version, compiled and compared anew."""

    @extend_schema(request=None, responses={202: VersionOutput})
    def post(self, request: Request, name: str, version: str) -> Response:
        found = selectors.version_get(caller(request), name, version, Action.PUBLISH)
        variants_renew(found, principal=caller(request))
        return Response(_represent(found, caller(request)), status=202)


class VersionDownloadView(APIView):
    """The bytes of one file of a version."""

    @extend_schema(
        parameters=[OpenApiParameter("path", description="Which file, where there are several.")],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, name: str, version: str) -> StreamingHttpResponse:
        found = selectors.version_get(caller(request), name, version)
        file = _file_of(found, request.query_params.get("path"))
        if file.blob is None:
            raise Problem(409, N_("This file is still being processed."))
        return _attachment(file.path, file.blob.ref)


def _check_may_publish(principal: Principal, name: str) -> None:
    """Refuse before a body is read: unseen is 404, unpermitted 403, a bad name 400."""
    if not NAME.fullmatch(name):
        raise Problem(400, N_("“%(name)s” cannot be the name of a model."), name=name[:80])
    found = RegisteredModel.everything.filter(name_key=name.lower()).first()
    if found and in_trash(found):
        raise model_taken(principal, name)
    if found:
        selectors.model_get(principal, name, Action.PUBLISH)
    elif not (principal.is_admin or any(principal.may_create(t, name) for t in principal.roles)):
        raise Problem(403, N_("You may not create a model of this name in any team."))


def _publish(request: Request, name: str, principal: Principal) -> ModelVersion:
    data = validated(VersionInput, request.data)
    files, sample_files = data.pop("file"), data.pop("samples", [])
    uploads_peek([file.staging for file in files])
    samples = samples_judge([file.upload for file in sample_files])
    return _create(principal, name, data, [file.upload for file in files], samples)


def _publish_pointed(request: Request, name: str, principal: Principal) -> ModelVersion:
    data = validated(PointedVersion, request.data)
    with content_pointed(principal=principal, text=data.pop("dvc")) as uploads:
        return _create(principal, name, data, uploads)


def _create(
    principal: Principal,
    name: str,
    data: dict[str, Any],
    uploads: Sequence[Upload],
    samples: Sequence[JudgedSample] = (),
) -> ModelVersion:
    team_name = data.pop("team", None)
    model = model_ensure(
        principal=principal,
        name=name,
        team=selectors.team_get(team_name) if team_name else None,
        task=data.pop("task", None),
    )
    if not principal.may(Action.PUBLISH, model):
        raise denied(Action.PUBLISH, model.team)
    publication = Publication(
        version=data.pop("version"),
        files=uploads,
        samples=samples,
        fields=data,
    )
    return version_create(principal=principal, model=model, publication=publication)


def _represent(version: ModelVersion, principal: Principal) -> Any:
    full = selectors.with_details(ModelVersion.objects.filter(pk=version.pk)).get()
    return VersionOutput(full, context={"caller": principal}).data


def _attachment(name: str, ref: BlobRef) -> StreamingHttpResponse:
    headers = {
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "Content-Length": str(ref.size),
        "ETag": f'"{ref.sha256}"',
    }
    return StreamingHttpResponse(
        blob_open(ref), content_type="application/octet-stream", headers=headers
    )


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
