"""`/api/v1/models/…`: registered models."""

from collections.abc import Sequence
from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action
from aihub.api import caller, validated
from registry import selectors
from registry.api.listing import KeyedPagination, Ordering
from registry.api.promotion import ModelDetail
from registry.api.searching import Search
from registry.api.serializers import ModelChanges, ModelInput, ModelSummary
from registry.models import ModelTag, RegisteredModel
from registry.models.registered import Task
from registry.searching.conditions import models_where
from registry.services.models import model_create, model_delete, model_update


class ModelFilter(django_filters.FilterSet):
    team = django_filters.CharFilter("team__name")
    task = django_filters.ChoiceFilter(choices=Task.choices)
    tag = django_filters.CharFilter(method="having_tag")

    class Meta:
        model = RegisteredModel
        fields = ("team", "task", "tag")

    def having_tag(self, models: Any, name: str, tag: str) -> Any:
        return models.filter(pk__in=ModelTag.objects.filter(name=tag).values("model_id"))


class ModelListView(generics.ListAPIView[RegisteredModel]):
    """Models that the caller may read; create one."""

    serializer_class = ModelSummary
    filter_backends = (DjangoFilterBackend, Search, Ordering)
    filterset_class = ModelFilter
    search_where = staticmethod(models_where)
    ordering_fields = ("name", "created_at", "updated_at")
    ordering = ("name_key",)
    pagination_class = KeyedPagination
    queryset = RegisteredModel.objects.none()

    def get_queryset(self) -> QuerySet[RegisteredModel]:
        return selectors.models_visible(caller(self.request))

    def rows_of(self, keys: Sequence[int]) -> QuerySet[RegisteredModel]:
        return selectors.models_listed(RegisteredModel.objects.filter(pk__in=keys))

    @extend_schema(request=ModelInput, responses={201: ModelDetail})
    def post(self, request: Request) -> Response:
        data = validated(ModelInput, request.data)
        team = selectors.team_get(data.pop("team"))
        model = model_create(principal=caller(request), team=team, **data)
        return Response(ModelDetail(model).data, status=201)


class ModelView(APIView):
    """One model."""

    @extend_schema(responses=ModelDetail)
    def get(self, request: Request, name: str) -> Response:
        model = selectors.model_get(caller(request), name)
        return Response(_represent(model))

    @extend_schema(request=ModelChanges, responses=ModelDetail)
    def patch(self, request: Request, name: str) -> Response:
        model = selectors.model_get(caller(request), name, Action.PUBLISH)
        changes = validated(ModelChanges, request.data)
        model_update(model, principal=caller(request), changes=changes)
        return Response(_represent(selectors.model_get(caller(request), name, Action.PUBLISH)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        model = selectors.model_get(caller(request), name, Action.DELETE)
        model_delete(model, principal=caller(request))
        return Response(status=204)


def _represent(model: RegisteredModel) -> Any:
    model.version_count = model.versions.count()  # type: ignore[attr-defined]
    return ModelDetail(model).data
