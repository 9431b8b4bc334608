"""`/api/v1/api-keys/…`: keys for applications."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import KEY_ACTIONS, Action, Principal
from aihub.api import caller, validated
from aihub.fields import StrictSerializer, TextField
from aihub.problems import N_, Problem
from ops.keys import key_create, key_revoke
from ops.models import ApiKey
from registry import selectors
from registry.api.fields import ModelNameField
from registry.models import Team
from registry.models.teams import DEFAULT_TEAM
from registry.services.models import denied


class KeyInput(StrictSerializer):
    name = TextField(max_length=100)
    team = TextField(required=False, default=DEFAULT_TEAM, max_length=64)
    actions = serializers.ListField(
        child=serializers.ChoiceField(sorted(KEY_ACTIONS)), min_length=1, max_length=10
    )
    models = serializers.ListField(
        child=ModelNameField(max_length=100), required=False, max_length=1000
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_expires_at(self, value: Any) -> Any:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError(_("This moment has passed."))
        return value


class KeyOutput(serializers.ModelSerializer[ApiKey]):
    team = serializers.CharField(source="team.name")
    actions = serializers.ListField(child=serializers.CharField())
    models = serializers.ListField(child=serializers.CharField(), source="model_names")

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "prefix",
            "name",
            "team",
            "actions",
            "models",
            "created_by",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        )


class NewKeyOutput(KeyOutput):
    key = serializers.CharField(help_text="Shown this once.")

    class Meta(KeyOutput.Meta):
        fields = (*KeyOutput.Meta.fields, "key")


class KeyListView(generics.ListAPIView[ApiKey]):
    """The keys of teams that the caller manages; make one."""

    serializer_class = KeyOutput
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        return _manageable(caller(self.request)).order_by("team__name", "name", "pk")

    @extend_schema(request=KeyInput, responses={201: NewKeyOutput})
    def post(self, request: Request) -> Response:
        data = validated(KeyInput, request.data)
        team = selectors.team_get(data.pop("team"))
        if not caller(request).may_in_team(Action.MANAGE, team.pk):
            raise denied(Action.MANAGE, team)
        key, secret = key_create(principal=caller(request), team=team, **data)
        key.key = secret  # type: ignore[attr-defined]
        return Response(NewKeyOutput(key).data, status=201)


class KeyView(APIView):
    """One key."""

    @extend_schema(responses=KeyOutput)
    def get(self, request: Request, prefix: str) -> Response:
        return Response(KeyOutput(_key(request, prefix)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, prefix: str) -> Response:
        """Revoke it."""
        key_revoke(_key(request, prefix), principal=caller(request))
        return Response(status=204)


def _key(request: Request, prefix: str) -> ApiKey:
    key = _manageable(caller(request)).filter(prefix=prefix).first()
    if key is None:
        raise Problem(404, N_("There is no such API key."))
    return key


def _manageable(principal: Principal) -> QuerySet[ApiKey]:
    keys = ApiKey.objects.select_related("team")
    return keys.filter(team__in=managed_teams(principal))


def managed_teams(principal: Principal) -> QuerySet[Team]:
    """The teams whose keys, members and audit trail a principal manages."""
    if principal.is_admin and principal.scope is None:
        return Team.objects.all()
    own = [team for team in principal.roles if principal.may_in_team(Action.MANAGE, team)]
    return Team.objects.filter(pk__in=own)
