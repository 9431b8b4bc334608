"""`/api/v1/audit/`: who changed what."""

from datetime import UTC, datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import generics, serializers

from aihub.api import caller
from ops.api.keys import managed_teams
from ops.models import AuditEvent


class MomentField(IsoDateTimeField):
    """A moment that can be told in UTC."""

    def to_python(self, value: Any) -> datetime | None:
        found = super().to_python(value)
        try:
            return found.astimezone(UTC) if found else None
        except OverflowError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    field_class = MomentField


class AuditFilter(django_filters.FilterSet):
    since = MomentFilter("at", lookup_expr="gte")
    until = MomentFilter("at", lookup_expr="lt")
    team = django_filters.CharFilter("team__name")

    class Meta:
        model = AuditEvent
        fields = ("action", "subject", "actor", "since", "until", "team")


class AuditOutput(serializers.ModelSerializer[AuditEvent]):
    team = serializers.CharField(source="team.name", default=None, allow_null=True)
    data = serializers.DictField()  # type: ignore[assignment]

    class Meta:
        model = AuditEvent
        fields = (
            "at",
            "actor",
            "actor_name",
            "action",
            "subject",
            "team",
            "data",
            "request_id",
            "address",
        )


class AuditView(generics.ListAPIView[AuditEvent]):
    """The trail of the teams that the caller manages, newest first; administrators see all."""

    serializer_class = AuditOutput
    filter_backends = (DjangoFilterBackend,)
    filterset_class = AuditFilter
    queryset = AuditEvent.objects.none()

    def get_queryset(self) -> QuerySet[AuditEvent]:
        principal = caller(self.request)
        events = AuditEvent.objects.select_related("team").order_by("-at", "-pk")
        if principal.is_admin and principal.scope is None:
            return events
        return events.filter(team__in=managed_teams(principal))
