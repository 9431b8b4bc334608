"""`/api/v1/versions/`: versions of every model that the caller may read."""

from collections.abc import Sequence
from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import generics

from aihub.api import caller
from registry import selectors
from registry.api.listing import KeyedPagination, OneFormat, Ordering
from registry.api.searching import Search
from registry.api.serializers import VersionSummary
from registry.models import ModelTag, ModelVersion
from registry.models.registered import Task
from registry.models.versions import Format, State
from registry.searching.conditions import versions_where


class VersionFilter(django_filters.FilterSet):
    model = django_filters.CharFilter(method="of_model")
    team = django_filters.CharFilter("model__team__name")
    task = django_filters.ChoiceFilter(field_name="model__task", choices=Task.choices)
    tag = django_filters.CharFilter(method="having_tag")
    state = django_filters.ChoiceFilter(choices=State.choices)
    format = django_filters.ChoiceFilter(choices=Format.choices)

    class Meta:
        model = ModelVersion
        fields = ("model", "team", "task", "tag", "state", "format")

    def of_model(self, versions: Any, field: str, name: str) -> Any:
        return versions.filter(model__name_key=name.lower())

    def having_tag(self, versions: Any, field: str, tag: str) -> Any:
        return versions.filter(model__in=ModelTag.objects.filter(name=tag).values("model_id"))


class AllVersionsView(generics.ListAPIView[ModelVersion]):
    """Versions of all models that the caller may read, the newest first."""

    serializer_class = VersionSummary
    filter_backends = (DjangoFilterBackend, Search, Ordering)
    filterset_class = VersionFilter
    search_where = staticmethod(versions_where)
    ordering_fields = ("created_at", "size")
    ordering = ("-pk",)
    pagination_class = KeyedPagination
    content_negotiation_class = OneFormat  # `?format=` is of versions, not of answers
    queryset = ModelVersion.objects.none()

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return selectors.versions_visible(caller(self.request))

    def rows_of(self, keys: Sequence[int]) -> QuerySet[ModelVersion]:
        return selectors.versions_listed(ModelVersion.objects.filter(pk__in=keys))
