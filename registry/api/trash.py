"""`/api/v1/trash/`: what was deleted, to be taken back or deleted for good."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller
from registry.models import ModelVersion
from registry.selectors import trash as selectors
from registry.services import trash as services


class TrashOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.ChoiceField([selectors.MODEL, selectors.VERSION])
    model = serializers.CharField()
    version = serializers.CharField(allow_null=True)
    team = serializers.CharField()
    size = serializers.IntegerField()
    deleted_at = serializers.DateTimeField()
    deleted_by = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)


class RestoredOutput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField([selectors.MODEL, selectors.VERSION])
    model = serializers.CharField()
    version = serializers.CharField(allow_null=True)


class TrashListView(generics.ListAPIView[Any]):
    """What the caller may delete for good, the newest first."""

    serializer_class = TrashOutput
    queryset = ModelVersion.objects.none()

    def get_queryset(self) -> Any:
        return selectors.trash_rows(caller(self.request))

    def paginate_queryset(self, queryset: Any) -> Any:
        """The page's entries, whole."""
        return selectors.trash_entries(super().paginate_queryset(queryset) or [])


class TrashView(APIView):
    """One entry of the trash."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, entry: str) -> Response:
        principal = caller(request)
        kind, key = selectors.trashed_get(principal, entry)
        if kind == selectors.MODEL:
            services.model_purge(key, principal=principal)
        else:
            services.version_purge(key, principal=principal)
        return Response(status=204)


class TrashRestoreView(APIView):
    """Taking an entry out of the trash, as it was."""

    @extend_schema(request=None, responses=RestoredOutput)
    def post(self, request: Request, entry: str) -> Response:
        principal = caller(request)
        kind, key = selectors.trashed_get(principal, entry)
        answer: dict[str, Any] = {"kind": kind, "version": None}
        if kind == selectors.MODEL:
            answer["model"] = services.model_restore(key, principal=principal).name
        else:
            version = services.version_restore(key, principal=principal)
            answer |= {"model": version.model.name, "version": version.version}
        return Response(RestoredOutput(answer).data)
