"""`/api/v1/models/{name}/aliases/…`."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action
from aihub.api import Pagination, caller, validated
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.approvals import represent
from registry.api.fields import ALIAS
from registry.api.moments import moment_of
from registry.api.promotion import (
    HISTORY,
    ApprovalOutput,
    CommentInput,
    MoveOutput,
    PlaceOutput,
)
from registry.api.serializers import AliasInput, AliasOutput
from registry.models import Alias, Approval
from registry.selectors import promotion
from registry.services.aliases import alias_delete, alias_rollback, alias_set


class AliasListView(generics.ListAPIView[Alias]):
    """The aliases of a model, by name."""

    serializer_class = AliasOutput
    queryset = Alias.objects.none()

    def get_queryset(self) -> QuerySet[Alias]:
        return promotion.aliases_of(selectors.model_get(caller(self.request), self.kwargs["name"]))


class AliasView(APIView):
    """One alias of a model. Moving a protected one asks for that, and answers the approval."""

    @extend_schema(responses=AliasOutput)
    def get(self, request: Request, name: str, alias: str) -> Response:
        model = selectors.model_get(caller(request), name)
        return Response(AliasOutput(selectors.alias_get(model, alias)).data)

    @extend_schema(request=AliasInput, responses={200: AliasOutput, 202: ApprovalOutput})
    def put(self, request: Request, name: str, alias: str) -> Response:
        principal = caller(request)
        model = selectors.model_get(principal, name, Action.PUBLISH)
        if not ALIAS.fullmatch(alias):
            raise Problem(400, N_("An alias is 1 to 64 of a-z, 0-9, “_”, “-”, a letter first."))
        data = validated(AliasInput, request.data)
        version = selectors.version_of(model, data.pop("version"))
        moved = alias_set(principal=principal, model=model, name=alias, version=version, **data)
        if isinstance(moved, Approval):
            return Response(represent(moved, principal), status=202)
        return Response(AliasOutput(moved).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, alias: str) -> Response:
        model = selectors.model_get(caller(request), name, Action.PUBLISH)
        alias_delete(selectors.alias_get(model, alias), principal=caller(request))
        return Response(status=204)


class AliasHistoryView(APIView):
    """Every move of an alias, the newest first; with `at`, where it pointed then."""

    pagination_class = Pagination

    @extend_schema(
        parameters=[
            OpenApiParameter("at", description="A moment, such as 2026-05-01T12:00Z."),
            OpenApiParameter("page", int),
            OpenApiParameter("page_size", int),
        ],
        responses=HISTORY,
    )
    def get(self, request: Request, name: str, alias: str) -> Response:
        model = selectors.model_get(caller(request), name)
        at = request.query_params.get("at")
        if at is not None:
            place = promotion.move_at(model, alias, moment_of(at))
            return Response(PlaceOutput(place).data)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(promotion.moves_of(model, alias), request, self)
        return pages.get_paginated_response(MoveOutput(rows, many=True).data)


class AliasRollbackView(APIView):
    """Back to the version before; again and again, further back."""

    @extend_schema(request=CommentInput, responses=AliasOutput)
    def post(self, request: Request, name: str, alias: str) -> Response:
        principal = caller(request)
        model = selectors.model_get(principal, name, Action.PUBLISH)
        data = validated(CommentInput, request.data)
        moved = alias_rollback(principal=principal, model=model, name=alias, **data)
        return Response(AliasOutput(moved).data)
