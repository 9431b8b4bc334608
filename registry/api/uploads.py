"""`/api/v1/uploads/…`: large files, in parts, that can be gone on with from anywhere."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller, validated
from aihub.problems import N_, Problem
from registry.api.upload_serializers import (
    PartNumbers,
    PartTags,
    PartUrls,
    UploadInput,
    UploadOutput,
    UploadSummary,
)
from registry.models import Upload
from registry.parts_folder import signature_holds
from registry.selectors.uploads import upload_get, upload_signed, uploads_of
from registry.services.resumable import (
    part_write,
    upload_abort,
    upload_complete,
    upload_create,
    upload_urls,
)
from registry.storage import CHUNK

_STATE = OpenApiParameter("state", enum=Upload.States.values, description="Only those in it.")
_EXPIRES = OpenApiParameter("expires", OpenApiTypes.INT, required=True)
_SIGNATURE = OpenApiParameter("signature", OpenApiTypes.STR, required=True)
_ETAG = OpenApiParameter("ETag", OpenApiTypes.STR, location="header", response=True)


class UploadListView(generics.ListAPIView[Upload]):
    """Your uploads that have not expired, newest first; begin one."""

    serializer_class = UploadSummary
    queryset = Upload.objects.none()

    def get_queryset(self) -> QuerySet[Upload]:
        found = uploads_of(caller(self.request))
        state = self.request.query_params.get("state")
        if state is None:
            return found
        if state not in Upload.States.values:
            raise ValidationError({"state": "open, complete"})
        return found.filter(state=state)

    @extend_schema(parameters=[_STATE])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=UploadInput, responses={201: UploadOutput})
    def post(self, request: Request) -> Response:
        data = validated(UploadInput, request.data)
        upload = upload_create(principal=caller(request), **data)
        return Response(UploadOutput(upload).data, status=201)


class UploadView(APIView):
    """One of your uploads: which of its parts arrived."""

    @extend_schema(responses=UploadOutput)
    def get(self, request: Request, upload: UUID) -> Response:
        return Response(UploadOutput(upload_get(caller(request), upload)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, upload: UUID) -> Response:
        upload_abort(upload_get(caller(request), upload))
        return Response(status=204)


class UploadPartsView(APIView):
    """Where parts are sent, each by a PUT that answers with an `ETag`; it holds for an hour."""

    @extend_schema(request=PartNumbers, responses=PartUrls)
    def post(self, request: Request, upload: UUID) -> Response:
        found = upload_get(caller(request), upload)
        numbers = validated(PartNumbers, request.data)["numbers"]

        def absolute(url: str) -> str:
            return str(request.build_absolute_uri(url)) if url.startswith("/") else url

        return Response({"parts": upload_urls(found, numbers, absolute)})


class UploadCompleteView(APIView):
    """All parts are there; from now on a version can be made of the file."""

    @extend_schema(request=PartTags, responses=UploadOutput)
    def post(self, request: Request, upload: UUID) -> Response:
        found = upload_get(caller(request), upload)
        parts = validated(PartTags, request.data)["parts"]
        done = upload_complete(found, {part["number"]: part["etag"] for part in parts})
        return Response(UploadOutput(done).data)


class UploadPartView(APIView):
    """One part, sent to an address that the hub signed; that address is all it takes."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        parameters=[_EXPIRES, _SIGNATURE, _ETAG],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: OpenApiResponse(description="The part arrived.")},
        auth=[],
    )
    def put(self, request: Request, upload: UUID, number: int) -> Response:
        query = request.query_params
        expires, signature = query.get("expires", ""), query.get("signature", "")
        if not signature_holds(str(upload), number, expires, signature):
            raise Problem(403, N_("This address is wrong or has expired; ask for a new one."))
        size = int(request.META.get("CONTENT_LENGTH") or 0)
        tag = part_write(upload_signed(upload), number, size, _chunks(request))
        return Response(headers={"ETag": f'"{tag}"'})


def _chunks(request: Request) -> Iterator[bytes]:
    while chunk := request._request.read(CHUNK):
        yield chunk
