"""`/api/v1/webhooks/{id}/deliveries/…`: what a webhook was sent, and sending it again."""

from collections.abc import Sequence
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import caller
from ops.models import Delivery
from ops.notifications.catalogue import EVENTS, PING
from ops.notifications.visible import delivery_get, webhook_get
from ops.notifications.webhooks import delivery_replay, webhook_test
from registry.api.listing import KeyedPagination


class DeliveryFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=Delivery.States.choices)
    event = django_filters.ChoiceFilter(choices=[(name, name) for name in (*EVENTS, PING)])

    class Meta:
        model = Delivery
        fields = ("state", "event")


class DeliveryOutput(serializers.ModelSerializer[Delivery]):
    id = serializers.UUIDField(source="uuid", help_text="What X-AIHub-Delivery says.")
    replay_of = serializers.UUIDField(source="replay_of.uuid", default=None, allow_null=True)
    error = serializers.ChoiceField(Delivery.Errors.choices, allow_blank=True)

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = (
            "id",
            "event",
            "state",
            "attempts",
            "status",
            "error",
            "error_detail",
            "duration_ms",
            "created_at",
            "attempted_at",
            "next_attempt_at",
            "finished_at",
            "replay_of",
        )


class WholeDeliveryOutput(DeliveryOutput):
    body = serializers.CharField(help_text="The exact text that is signed and sent.")
    response = serializers.CharField(help_text="The first KiB of the last answer.")

    class Meta(DeliveryOutput.Meta):
        fields = (*DeliveryOutput.Meta.fields, "body", "response")


class DeliveryListView(generics.ListAPIView[Delivery]):
    """What a webhook was sent within 30 days, the newest first."""

    serializer_class = DeliveryOutput
    filter_backends = (DjangoFilterBackend,)
    filterset_class = DeliveryFilter
    pagination_class = KeyedPagination
    queryset = Delivery.objects.none()

    def get_queryset(self) -> QuerySet[Delivery]:
        webhook = webhook_get(caller(self.request), self.kwargs["webhook"])
        return webhook.deliveries.all()

    def rows_of(self, keys: Sequence[int]) -> QuerySet[Delivery]:
        found = Delivery.objects.select_related("replay_of").filter(pk__in=keys)
        return found.defer("body", "response").order_by()


class DeliveryView(APIView):
    """One delivery with its body and the answer to it."""

    @extend_schema(responses=WholeDeliveryOutput)
    def get(self, request: Request, webhook: int, delivery: UUID) -> Response:
        found = delivery_get(caller(request), webhook, delivery)
        return Response(WholeDeliveryOutput(found).data)


class DeliveryReplayView(APIView):
    """Send the same body again, as a new delivery."""

    @extend_schema(request=None, responses={202: WholeDeliveryOutput})
    def post(self, request: Request, webhook: int, delivery: UUID) -> Response:
        found = delivery_get(caller(request), webhook, delivery)
        return _queued(delivery_replay(found, principal=caller(request)))


class WebhookTestView(APIView):
    """Send a `ping` to a webhook."""

    @extend_schema(request=None, responses={202: WholeDeliveryOutput})
    def post(self, request: Request, webhook: int) -> Response:
        found = webhook_get(caller(request), webhook)
        return _queued(webhook_test(found, principal=caller(request)))


def _queued(delivery: Delivery) -> Response:
    return Response(WholeDeliveryOutput(delivery).data, status=202)
