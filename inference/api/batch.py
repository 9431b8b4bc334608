"""`/api/v1/batch-jobs/…`: make, list, watch and steer batch jobs, and fetch what they made."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import django_filters
from django.db.models import BigIntegerField, QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action
from aihub.api import JSONParser, caller, validated
from aihub.problems import N_, Problem
from inference.api.batch_serializers import (
    BatchJobForm,
    BatchJobInput,
    BatchJobOutput,
    BatchJobSummary,
)
from inference.api.batch_stream import EventStreamRenderer, progress_stream
from inference.batch import keys, services
from inference.batch.selectors import LARGE, job_get, jobs_visible, stall_teller
from inference.batch.services import MAX_KEY, Order
from inference.models import BatchJob
from inference.models.batch import JobState
from registry import selectors
from registry.api.attachments import PARAMETERS, RESPONSES, Content, attachment
from registry.api.listing import KeyedPagination, Ordering
from registry.api.streaming import StagingUploadHandler
from registry.models import Upload
from registry.selectors.uploads import upload_get
from registry.storage import Reading, blob_storage

INPUT = "input"
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    location="header",
    description="Of the caller's choice: the same key makes no second job.",
)
# One event of a stream; its data is the job as lists show it.
EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}


class JobFilter(django_filters.FilterSet):
    """`?state=running&model=…&version=…&team=…&created_by=…&schedule=…`."""

    state = django_filters.MultipleChoiceFilter(choices=JobState.choices)
    model = django_filters.CharFilter("model_name", "iexact")
    version = django_filters.CharFilter("version_name")
    team = django_filters.CharFilter("team__name")
    created_by = django_filters.CharFilter("created_by")
    input = django_filters.CharFilter("input_name", "icontains")
    schedule = django_filters.NumberFilter(
        "schedule_id", min_value=1, max_value=BigIntegerField.MAX_BIGINT
    )

    class Meta:
        model = BatchJob
        fields = ("state", "model", "version", "team", "created_by", "input", "schedule")


class BatchJobListView(generics.ListAPIView[BatchJob]):
    """Batch jobs, the newest first; make one."""

    serializer_class = BatchJobSummary
    parser_classes = (MultiPartParser, JSONParser)
    filter_backends = (django_filters.rest_framework.DjangoFilterBackend, Ordering)
    filterset_class = JobFilter
    ordering_fields = ("created_at", "finished_at")
    ordering = ("-pk",)
    pagination_class = KeyedPagination
    queryset = BatchJob.objects.none()

    def get_queryset(self) -> QuerySet[BatchJob]:
        return jobs_visible(caller(self.request))

    def rows_of(self, keys: Sequence[int]) -> QuerySet[BatchJob]:
        return BatchJob.objects.select_related("team").defer(*LARGE).filter(pk__in=keys).order_by()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "stalled": stall_teller()}

    @extend_schema(
        parameters=[IDEMPOTENCY],
        request={"multipart/form-data": BatchJobForm, "application/json": BatchJobInput},
        responses={202: BatchJobOutput},
    )
    def post(self, request: Request) -> Response:
        """Over a file that comes with the form, or over what is in the store already."""
        if request._request.content_type == JSONParser.media_type:
            return _answer(_create_stored(request), status=202)
        handler = StagingUploadHandler(
            request._request, created_by=caller(request).name, staged=(INPUT,)
        )
        request._request.upload_handlers = [handler]
        try:
            return _answer(_create_sent(request), status=202)
        finally:
            handler.discard()


class BatchJobView(APIView):
    """One batch job."""

    @extend_schema(responses=BatchJobOutput)
    def get(self, request: Request, job: int) -> Response:
        return _answer(job_get(caller(request), job))


class BatchJobActionView(APIView):
    """`cancel`, `pause`, `resume` and `retry`."""

    act: Any = None

    @extend_schema(request=None, responses=BatchJobOutput)
    def post(self, request: Request, job: int) -> Response:
        found = job_get(caller(request), job, steer=True)
        self.act(found, principal=caller(request))
        return _answer(job_get(caller(request), job))


class BatchJobCloneView(APIView):
    """The same job once more."""

    @extend_schema(parameters=[IDEMPOTENCY], request=None, responses={202: BatchJobOutput})
    def post(self, request: Request, job: int) -> Response:
        principal = caller(request)
        found = job_get(principal, job)
        if found.model is not None:
            selectors.model_get(principal, found.model.name, Action.PREDICT)
        made = services.job_clone(found, principal=principal, key=_idempotency_key(request))
        return _answer(made, status=202)


class BatchJobEventsView(APIView):
    """How a job goes, as server-sent events: `progress` whenever that changes, until it is over."""

    renderer_classes = (JSONRenderer, EventStreamRenderer)

    @extend_schema(responses={(200, "text/event-stream"): EVENT})
    def get(self, request: Request, job: int) -> StreamingHttpResponse:
        found = job_get(caller(request), job)
        return progress_stream(found.pk)


class BatchJobDownloadView(APIView):
    """The output of a job, whole or a range of it, or the manifest that describes it.

    Where the store has an address of its own for clients, they are led there.
    """

    of_manifest = False

    @extend_schema(parameters=[*PARAMETERS], responses=RESPONSES)
    def get(self, request: Request, job: int) -> Any:
        found = job_get(caller(request), job)
        if found.state != JobState.SUCCEEDED:
            state = found.get_state_display()
            raise Problem(409, N_("The job is %(state)s; it has no output."), state=state)
        if not found.output:
            raise Problem(410, N_("The output of this job was removed."))
        return attachment(request, _content(found, manifest=self.of_manifest))


def _content(job: BatchJob, *, manifest: bool) -> Content:
    if manifest:
        key, told = keys.manifest(job.output["key"]), job.output["manifest"]
        name = f"batch-{job.pk}-manifest.json"
    else:
        key, told, name = job.output["key"], job.output, f"batch-{job.pk}.{job.output['format']}"
    return Content(name, key, told["size"], told["sha256"], partial(_open, key, told["size"]))


def _open(key: str, whole: int, start: int, size: int | None) -> Reading:
    storage = blob_storage()
    try:
        return storage.reader(key) if size is None else storage.range(key, start, size)
    except FileNotFoundError:
        raise Problem(410, N_("The output of this job was removed.")) from None


def _create_stored(request: Request) -> BatchJob:
    principal = caller(request)
    data = validated(BatchJobInput, request.data)
    chosen = data.pop(INPUT)
    upload = upload_get(principal, chosen["upload"]) if "upload" in chosen else None
    fingerprint = _fingerprint(dict(cast(Any, request.data)))
    return _create(request, data, upload, chosen.get("prefix", ""), fingerprint)


def _create_sent(request: Request) -> BatchJob:
    if len(request._request.FILES.getlist(INPUT)) > 1:
        raise Problem(
            400, N_("Send one file as “%(field)s”; several go into an archive."), field=INPUT
        )
    data = validated(BatchJobForm, request.data)
    upload: Upload = data.pop(INPUT).upload
    said = {name: value for name, value in cast(Any, request.data).items() if name != INPUT}
    fingerprint = _fingerprint({**said, INPUT: [upload.filename, upload.size]})
    return _create(request, data, upload, "", fingerprint)


def _create(
    request: Request, data: dict[str, Any], upload: Upload | None, prefix: str, fingerprint: str
) -> BatchJob:
    principal = caller(request)
    model = selectors.model_get(principal, data.pop("model"), Action.PREDICT)
    team = data.pop("team", None)
    order = Order(
        model=model,
        team=selectors.team_get(team) if team else None,
        upload=upload,
        prefix=prefix,
        idempotency_key=_idempotency_key(request),
        fingerprint=fingerprint,
        **data,
    )
    return services.job_create(principal=principal, order=order)


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > MAX_KEY:
        raise Problem(400, N_("An idempotency key has at most %(most)s characters."), most=MAX_KEY)
    return key


def _fingerprint(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def _answer(job: BatchJob, status: int = 200) -> Response:
    fresh = BatchJob.objects.select_related("team").get(pk=job.pk)
    return Response(BatchJobOutput(fresh, context={"stalled": stall_teller()}).data, status=status)
