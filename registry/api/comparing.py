"""`/api/v1/models/{name}/versions/{version}/compare/?with=`: two versions side by side."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.promotion import DifferenceOutput
from registry.comparing import Comparison, compare
from registry.services.fitness import signature_differences

WITH = "with"


class AnyField(serializers.JSONField):
    """Whatever JSON a version holds there."""


class PairOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    left = AnyField(allow_null=True)
    right = AnyField(allow_null=True)
    same = serializers.BooleanField()


class MetricOutput(PairOutput):
    difference = serializers.FloatField(
        allow_null=True, help_text="How much larger the right number is."
    )


class LabelChangesOutput(serializers.Serializer[Any]):
    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())
    added_count = serializers.IntegerField()
    removed_count = serializers.IntegerField()
    same = serializers.IntegerField()


class ContentOutput(serializers.Serializer[Any]):
    size = serializers.IntegerField()
    sha256 = serializers.CharField(allow_null=True)


class FilePairOutput(serializers.Serializer[Any]):
    path = serializers.CharField(source="name")
    left = ContentOutput(allow_null=True)
    right = ContentOutput(allow_null=True)
    same = serializers.BooleanField()


class ComparisonOutput(serializers.Serializer[Any]):
    """`left` and `right` are named `model/version`."""

    left = serializers.CharField()
    right = serializers.CharField()
    fields = PairOutput(many=True)  # type: ignore[assignment]
    metrics = MetricOutput(many=True)
    parameters = PairOutput(many=True)
    source = PairOutput(many=True)  # type: ignore[assignment]
    labels = LabelChangesOutput()
    files = FilePairOutput(many=True)
    signature = serializers.SerializerMethodField()

    @extend_schema_field(DifferenceOutput(many=True))
    def get_signature(self, found: Comparison) -> Any:
        return DifferenceOutput(signature_differences(found.left, found.right), many=True).data


class CompareView(APIView):
    """Two versions side by side."""

    @extend_schema(
        parameters=[
            OpenApiParameter(
                WITH, required=True, description="`1.1.0`, or `other-model/1.1.0`: the right one."
            )
        ],
        responses=ComparisonOutput,
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        principal = caller(request)
        left = selectors.version_get(principal, name, version)
        other, _, number = request.query_params.get(WITH, "").rpartition("/")
        if not number:
            raise Problem(400, N_("Say with which version: ?with=1.1.0 or ?with=model/1.1.0."))
        right = selectors.version_get(principal, other or name, number)
        return Response(ComparisonOutput(compare(left, right)).data)
