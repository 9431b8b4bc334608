"""`/api/v1/models/{name}/versions/…`: publish, read, edit, delete, download."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action, Principal
from aihub.api import JSONParser, caller, validated
from registry import selectors
from registry.api.listing import KeyedPagination
from registry.api.publishing import check_may_publish, publish_form, publish_stored
from registry.api.ranges import VersionRange
from registry.api.searching import Search
from registry.api.serializers import (
    VersionChanges,
    VersionInput,
    VersionOutput,
    VersionSummary,
)
from registry.api.streaming import StagingUploadHandler
from registry.api.upload_serializers import StoredVersion
from registry.models import ModelVersion
from registry.searching.conditions import versions_where
from registry.services.variants import variants_renew
from registry.services.versions import (
    version_delete,
    version_update,
)


class VersionListView(generics.ListAPIView[ModelVersion]):
    """Versions of a model, the newest semantic version first; publish one."""

    serializer_class = VersionSummary
    parser_classes = (MultiPartParser, JSONParser)
    filter_backends = (Search, VersionRange)
    search_where = staticmethod(versions_where)
    pagination_class = KeyedPagination
    queryset = ModelVersion.objects.none()

    def get_queryset(self) -> QuerySet[ModelVersion]:
        model = selectors.model_get(caller(self.request), self.kwargs["name"])
        return model.versions.order_by("-sort_key")

    def rows_of(self, keys: Sequence[int]) -> QuerySet[ModelVersion]:
        return selectors.versions_listed(ModelVersion.objects.filter(pk__in=keys))

    @extend_schema(
        request={"multipart/form-data": VersionInput, "application/json": StoredVersion},
        responses={202: VersionOutput},
    )
    def post(self, request: Request, name: str) -> Response:
        principal = caller(request)
        check_may_publish(principal, name)
        if request._request.content_type == JSONParser.media_type:
            version = publish_stored(request.data, name, principal)
            return Response(_represent(version, principal), status=202)
        handler = StagingUploadHandler(request._request, created_by=principal.name)
        request._request.upload_handlers = [handler]
        try:
            version = publish_form(request, name, principal)
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


def _represent(version: ModelVersion, principal: Principal) -> Any:
    full = selectors.with_details(ModelVersion.objects.filter(pk=version.pk)).get()
    return VersionOutput(full, context={"caller": principal}).data
