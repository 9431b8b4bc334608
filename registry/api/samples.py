"""`/api/v1/models/{name}/samples/…`: real inputs of a model, attached by its owner."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action
from aihub.api import caller, validated
from registry import selectors
from registry.api.serializers import SampleOutput, SamplesInput
from registry.api.streaming import StagingUploadHandler
from registry.models import RegisteredModel, Sample
from registry.services.samples import sample_remove, samples_add, samples_judge

# A list without pages, which is not what a list view is taken to answer.
_ADDED = {"type": "array", "items": {"$ref": "#/components/schemas/SampleOutput"}}


class SampleListView(generics.ListAPIView[Sample]):
    """Sample files of a model, oldest first; attach some.

    Pictures, `.zip` of pictures, `.jsonl` (a text or one input a line), `.npy` or `.npz` (rows).
    """

    serializer_class = SampleOutput
    parser_classes = (MultiPartParser,)
    queryset = Sample.objects.none()

    def get_queryset(self) -> QuerySet[Sample]:
        model = selectors.model_get(caller(self.request), self.kwargs["name"])
        return model.samples.select_related("blob")

    @extend_schema(request={"multipart/form-data": SamplesInput}, responses={201: _ADDED})
    def post(self, request: Request, name: str) -> Response:
        principal = caller(request)
        model = selectors.model_get(principal, name, Action.PUBLISH)
        handler = StagingUploadHandler(request._request, created_by=principal.name)
        request._request.upload_handlers = [handler]
        try:
            rows = _add(request, model)
        finally:
            handler.discard()
        return Response(SampleOutput(rows, many=True).data, status=201)


class SampleView(APIView):
    """One sample file of a model."""

    @extend_schema(responses=SampleOutput)
    def get(self, request: Request, name: str, file: str) -> Response:
        model = selectors.model_get(caller(request), name)
        return Response(SampleOutput(selectors.sample_get(model, file)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, file: str) -> Response:
        model = selectors.model_get(caller(request), name, Action.PUBLISH)
        sample_remove(selectors.sample_get(model, file), principal=caller(request))
        return Response(status=204)


def _add(request: Request, model: RegisteredModel) -> list[Sample]:
    files = validated(SamplesInput, request.data)["file"]
    samples = samples_judge([file.upload for file in files])
    return samples_add(model, principal=caller(request), samples=samples)
