"""`/api/v1/gc/`: freeing what nothing refers to, for administrators."""

import time
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller, validated
from aihub.fields import FlagField, StrictSerializer
from aihub.problems import N_, Problem
from registry.services.garbage import garbage_collect

BUDGET = 20.0  # seconds of one call; the daily collection takes what is left


class GarbageInput(StrictSerializer):
    dry_run = FlagField(required=False)


class GarbageOutput(serializers.Serializer[Any]):
    """`complete` is false where the call's time or the store ended it early."""

    dry_run = serializers.BooleanField()
    blobs = serializers.IntegerField()
    bytes = serializers.IntegerField()
    directories = serializers.IntegerField()
    staged = serializers.IntegerField()
    foreign = serializers.IntegerField()
    foreign_bytes = serializers.IntegerField()
    foreign_removed = serializers.IntegerField()
    errors = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]
    complete = serializers.BooleanField()


class GarbageView(APIView):
    """The garbage collection."""

    @extend_schema(request=GarbageInput, responses=GarbageOutput)
    def post(self, request: Request) -> Response:
        principal = caller(request)
        if not principal.is_admin or principal.scope is not None:
            raise Problem(403, N_("Only administrators collect garbage."))
        data = validated(GarbageInput, request.data)
        until = time.monotonic() + BUDGET
        found = garbage_collect(
            principal=principal,
            dry_run=data.get("dry_run", False),
            stop=lambda: time.monotonic() > until,
        )
        return Response(GarbageOutput(found.as_dict()).data)
