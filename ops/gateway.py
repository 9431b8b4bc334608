"""The hub's API keys as consumers of a gateway, which so knows whose calls it counts."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.utils import timezone

from ops.identity.credentials import digest_of
from ops.models import ApiKey


def key_consumers(keys: Iterable[str]) -> tuple[list[dict[str, Any]], int]:
    """Kong's consumers of those keys that hold now, by team and prefix; and how many do not.

    The hub keeps keys as digests: whoever wants the gateway to know one has to bring it.
    """
    by_digest = {digest_of(key): key for key in keys}
    held = (
        ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
        .filter(digest__in=by_digest, revoked_at=None)
        .select_related("team")
        .order_by("team__name", "prefix")
    )
    consumers = [_consumer(key, by_digest[key.digest]) for key in held]
    return consumers, len(by_digest) - len(consumers)


def _consumer(key: ApiKey, secret: str) -> dict[str, Any]:
    """`key-auth` compares the whole header, so that clients send what they always send."""
    return {
        "username": f"{key.team.name}-{key.prefix}",
        "custom_id": key.prefix,
        "tags": [f"team:{key.team.name}"],
        "keyauth_credentials": [{"key": f"Api-Key {secret}"}],
    }
