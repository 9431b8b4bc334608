"""`/api/v1/models/{name}/aliases/…`."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action
from aihub.api import caller, validated
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.fields import ALIAS
from registry.api.serializers import AliasInput, AliasOutput
from registry.services.aliases import alias_delete, alias_set


class AliasView(APIView):
    """One alias of a model."""

    @extend_schema(responses=AliasOutput)
    def get(self, request: Request, name: str, alias: str) -> Response:
        model = selectors.model_get(caller(request), name)
        return Response(AliasOutput(selectors.alias_get(model, alias)).data)

    @extend_schema(request=AliasInput, responses=AliasOutput)
    def put(self, request: Request, name: str, alias: str) -> Response:
        model = selectors.model_get(caller(request), name, Action.PUBLISH)
        if not ALIAS.fullmatch(alias):
            raise Problem(400, N_("An alias is 1 to 64 of a-z, 0-9, “_”, “-”, a letter first."))
        data = validated(AliasInput, request.data)
        moved = alias_set(
            principal=caller(request),
            model=model,
            name=alias,
            version=selectors.version_of(model, data.pop("version")),
            **data,
        )
        return Response(AliasOutput(moved).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, alias: str) -> Response:
        model = selectors.model_get(caller(request), name, Action.PUBLISH)
        alias_delete(selectors.alias_get(model, alias), principal=caller(request))
        return Response(status=204)
