"""`/api/v1/replicas/` and `/api/v1/models/{name}/versions/{version}/breaker/`."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action
from aihub.api import caller, validated
from aihub.problems import N_, Problem
from inference.api.serializers import BreakerInput, BreakerOutput, ReplicaOutput
from inference.forcing import breaker_force
from inference.models import Replica
from inference.replicas import breakers_of, replicas_alive
from registry import selectors
from registry.models import ModelVersion


class ReplicaListView(generics.ListAPIView[Replica]):
    """The replicas that serve at the moment, for administrators."""

    serializer_class = ReplicaOutput
    queryset = Replica.objects.none()

    def get_queryset(self) -> QuerySet[Replica]:
        principal = caller(self.request)
        if not principal.is_admin or principal.scope is not None:
            raise Problem(403, N_("You may not do this."))
        return replicas_alive()


class BreakerView(APIView):
    """The circuit breaker of a version."""

    @extend_schema(responses=BreakerOutput)
    def get(self, request: Request, name: str, version: str) -> Response:
        return _answer(selectors.version_get(caller(request), name, version))

    @extend_schema(request=BreakerInput, responses=BreakerOutput)
    def put(self, request: Request, name: str, version: str) -> Response:
        """Hold it open or closed on every replica, which follow within two seconds; `null` lets
        it decide for itself again."""
        found = selectors.version_get(caller(request), name, version, Action.MANAGE)
        to = validated(BreakerInput, request.data)["force"] or ""
        breaker_force(found, principal=caller(request), to=to)
        return _answer(found)


def _answer(version: ModelVersion) -> Response:
    said = {"forced": version.breaker_forced or None, "replicas": breakers_of(version)}
    return Response(BreakerOutput(said).data)
