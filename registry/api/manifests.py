"""`…/versions/{version}/manifest/`: what the hub sealed when the version became ready."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller
from aihub.problems import N_, Problem
from registry import manifests, selectors
from registry.models.versions import State


class ManifestOutput(serializers.Serializer[Any]):
    manifest = serializers.DictField()
    signature = serializers.CharField()
    valid = serializers.BooleanField(
        help_text="Whether the seal is the hub's and the version's record still agrees with it."
    )


class ManifestView(APIView):
    """A ready version's manifest with its seal."""

    @extend_schema(responses=ManifestOutput)
    def get(self, request: Request, name: str, version: str) -> Response:
        found = selectors.version_get(caller(request), name, version)
        if found.state != State.READY:
            raise Problem(
                409,
                N_("Version %(version)s is %(state)s; a version is sealed when it becomes ready."),
                version=found.version,
                state=found.state,
            )
        answer = {
            "manifest": found.manifest,
            "signature": found.manifest_signature,
            "valid": manifests.is_intact(found),
        }
        return Response(ManifestOutput(answer).data)
