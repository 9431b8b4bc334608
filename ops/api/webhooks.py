"""`/api/v1/webhooks/…`: where events are sent."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.access import Action, Principal
from aihub.api import caller, validated
from aihub.fields import FlagField, StrictSerializer, TextField
from aihub.problems import N_, Problem
from ops.api.webhook_fields import EventsField, ReceiverField
from ops.models import Delivery, Webhook
from ops.notifications.visible import webhook_get, webhooks_visible
from ops.notifications.webhooks import (
    webhook_create,
    webhook_delete,
    webhook_rotate,
    webhook_update,
)
from registry import selectors
from registry.api.fields import ModelNameField
from registry.models import Team
from registry.services.models import denied


def _models_field(**kwargs: Any) -> serializers.ListField:
    return serializers.ListField(
        child=ModelNameField(max_length=100),
        required=False,
        max_length=1000,
        help_text="Only events of these models; none for all.",
        **kwargs,
    )


class WebhookInput(StrictSerializer):
    name = TextField(max_length=100)
    team = TextField(
        allow_null=True, max_length=64, help_text="null: every team's events, for administrators."
    )
    url = ReceiverField()
    events = EventsField()
    models = _models_field()
    active = FlagField(required=False)


class WebhookChanges(StrictSerializer):
    name = TextField(max_length=100, required=False)
    url = ReceiverField(required=False)
    events = EventsField(required=False)
    models = _models_field(source="model_names")
    active = FlagField(required=False)


class WebhookOutput(serializers.ModelSerializer[Webhook]):
    team = serializers.CharField(source="team.name", default=None, allow_null=True)
    events = serializers.ListField(child=serializers.CharField())
    models = serializers.ListField(child=serializers.CharField(), source="model_names")
    disabled_at = serializers.DateTimeField(
        allow_null=True, help_text="When the hub turned it off, because it only failed."
    )
    last_state = serializers.ChoiceField(
        Delivery.States.choices, allow_null=True, default=None, help_text="Of its newest delivery."
    )

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = (
            "id",
            "name",
            "team",
            "url",
            "events",
            "models",
            "active",
            "disabled_at",
            "failing_since",
            "last_state",
            "created_by",
            "created_at",
        )


class NewWebhookOutput(WebhookOutput):
    secret = serializers.CharField(help_text="Shown this once.")

    class Meta(WebhookOutput.Meta):
        fields = (*WebhookOutput.Meta.fields, "secret")


class WebhookListView(generics.ListAPIView[Webhook]):
    """The webhooks of teams that the caller manages; make one."""

    serializer_class = WebhookOutput
    queryset = Webhook.objects.none()

    def get_queryset(self) -> QuerySet[Webhook]:
        return webhooks_visible(caller(self.request)).order_by("name", "pk")

    @extend_schema(request=WebhookInput, responses={201: NewWebhookOutput})
    def post(self, request: Request) -> Response:
        data = validated(WebhookInput, request.data)
        team = _team(caller(request), data.pop("team"))
        webhook, secret = webhook_create(principal=caller(request), team=team, **data)
        return Response(_with_secret(webhook, secret), status=201)


class WebhookView(APIView):
    """One webhook."""

    @extend_schema(responses=WebhookOutput)
    def get(self, request: Request, webhook: int) -> Response:
        return Response(WebhookOutput(webhook_get(caller(request), webhook)).data)

    @extend_schema(request=WebhookChanges, responses=WebhookOutput)
    def patch(self, request: Request, webhook: int) -> Response:
        found = webhook_get(caller(request), webhook)
        changes = validated(WebhookChanges, request.data)
        changed = webhook_update(found, principal=caller(request), changes=changes)
        return Response(WebhookOutput(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, webhook: int) -> Response:
        """Remove it, and the log of its deliveries."""
        webhook_delete(webhook_get(caller(request), webhook), principal=caller(request))
        return Response(status=204)


class WebhookRotateView(APIView):
    """Another secret for a webhook."""

    @extend_schema(request=None, responses=NewWebhookOutput)
    def post(self, request: Request, webhook: int) -> Response:
        found = webhook_get(caller(request), webhook)
        secret = webhook_rotate(found, principal=caller(request))
        return Response(_with_secret(found, secret))


def _team(principal: Principal, name: str | None) -> Team | None:
    """The team of a new webhook; `Problem` 403 where the caller does not manage it."""
    if name is None:
        if not principal.is_admin or principal.scope is not None:
            raise Problem(403, N_("Only administrators make webhooks of every team."))
        return None
    team = selectors.team_get(name)
    if not principal.may_in_team(Action.MANAGE, team.pk):
        raise denied(Action.MANAGE, team)
    return team


def _with_secret(webhook: Webhook, secret: str) -> Any:
    webhook.secret = secret  # type: ignore[attr-defined]
    return NewWebhookOutput(webhook).data
