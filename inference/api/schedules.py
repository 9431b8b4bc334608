"""`/api/v1/batch-schedules/…`: batch jobs that are made anew whenever they are due."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller, validated
from inference.api.batch_serializers import BatchJobOutput
from inference.api.schedule_serializers import (
    BatchScheduleChange,
    BatchScheduleInput,
    BatchScheduleOutput,
    changed,
    standing_of,
)
from inference.batch import schedules
from inference.batch.schedule_selectors import schedule_get, schedules_visible
from inference.batch.selectors import job_get, stall_teller
from inference.models import BatchSchedule
from registry.api.listing import Ordering


class ScheduleFilter(django_filters.FilterSet):
    """`?active=true&model=…&team=…&created_by=…`."""

    active = django_filters.BooleanFilter()
    model = django_filters.CharFilter("model_name", "iexact")
    team = django_filters.CharFilter("team__name")
    created_by = django_filters.CharFilter("created_by")

    class Meta:
        model = BatchSchedule
        fields = ("active", "model", "team", "created_by")


class BatchScheduleListView(generics.ListAPIView[BatchSchedule]):
    """Schedules of batch jobs, the newest first; make one."""

    serializer_class = BatchScheduleOutput
    filter_backends = (django_filters.rest_framework.DjangoFilterBackend, Ordering)
    filterset_class = ScheduleFilter
    ordering_fields = ("name", "next_run_at", "last_run_at", "created_at")
    ordering = ("-pk",)
    queryset = BatchSchedule.objects.none()

    def get_queryset(self) -> QuerySet[BatchSchedule]:
        return schedules_visible(caller(self.request))

    @extend_schema(request=BatchScheduleInput, responses={201: BatchScheduleOutput})
    def post(self, request: Request) -> Response:
        principal = caller(request)
        standing = standing_of(principal, validated(BatchScheduleInput, request.data))
        made = schedules.schedule_create(principal=principal, standing=standing)
        return _answer(request, made.pk, status=201)


class BatchScheduleView(APIView):
    """One schedule."""

    @extend_schema(responses=BatchScheduleOutput)
    def get(self, request: Request, schedule: int) -> Response:
        return _answer(request, schedule)

    @extend_schema(request=BatchScheduleChange, responses=BatchScheduleOutput)
    def patch(self, request: Request, schedule: int) -> Response:
        """Change it: it runs with the caller's rights from then on, unless only `active` is."""
        principal = caller(request)
        found = schedule_get(principal, schedule, steer=True)
        data = validated(BatchScheduleInput, changed(found, request.data))
        if set(request.data) == {"active"}:
            schedules.schedule_switch(found, principal=principal, active=data["active"])
        else:
            standing = standing_of(principal, data)
            schedules.schedule_update(found, principal=principal, standing=standing)
        return _answer(request, schedule)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, schedule: int) -> Response:
        """Remove it; the jobs that it made stay."""
        found = schedule_get(caller(request), schedule, steer=True)
        schedules.schedule_delete(found, principal=caller(request))
        return Response(status=204)


class BatchScheduleRunView(APIView):
    """Run a schedule now, beside its times."""

    @extend_schema(request=None, responses={202: BatchJobOutput})
    def post(self, request: Request, schedule: int) -> Response:
        found = schedule_get(caller(request), schedule, steer=True)
        made = schedules.schedule_run(found, principal=caller(request))
        job: Any = job_get(caller(request), made.pk)
        context = {"stalled": stall_teller()}
        return Response(BatchJobOutput(job, context=context).data, status=202)


def _answer(request: Request, pk: int, status: int = 200) -> Response:
    found = schedule_get(caller(request), pk)
    return Response(BatchScheduleOutput(found).data, status=status)
