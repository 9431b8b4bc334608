"""Which webhooks and deliveries a caller may see: those of the teams that the caller manages."""

import uuid

from django.db.models import OuterRef, QuerySet, Subquery

from aihub.access import Action, Principal
from aihub.problems import N_, Problem
from ops.models import Delivery, Webhook


def webhooks_visible(principal: Principal) -> QuerySet[Webhook]:
    """Those of the teams that a principal manages; administrators see all, also those of none.

    Each knows the state of its `last_state`, the newest delivery's.
    """
    newest = Delivery.objects.filter(webhook=OuterRef("pk")).order_by("-pk")
    last = Subquery(newest.values("state")[:1])
    found = Webhook.objects.select_related("team").annotate(last_state=last)
    if principal.is_admin and principal.scope is None:
        return found
    return found.filter(team__in=_managed(principal))


def webhook_get(principal: Principal, pk: int) -> Webhook:
    """`Problem` 404 where there is none that the principal may see."""
    webhook = webhooks_visible(principal).filter(pk=pk).first()
    if webhook is None:
        raise Problem(404, N_("There is no such webhook."))
    return webhook


def delivery_get(principal: Principal, pk: int, delivery: uuid.UUID) -> Delivery:
    """`Problem` 404 where the webhook, or this delivery of it, is not there to be seen."""
    webhook = webhook_get(principal, pk)
    found = webhook.deliveries.select_related("webhook__team", "replay_of").filter(uuid=delivery)
    one = found.first()
    if one is None:
        raise Problem(404, N_("There is no such delivery."))
    return one


def _managed(principal: Principal) -> list[int]:
    return [team for team in principal.roles if principal.may_in_team(Action.MANAGE, team)]
