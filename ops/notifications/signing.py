"""The secret of a webhook, and the signature that it makes.

The secret is derived from the webhook's salt and the hub's own key: who reads the database alone
can sign nothing, and there is nothing to decrypt. A webhook remembers which key that was, so that
its receiver sees no change while the hub's key is rotated.
"""

import base64
import hashlib
import hmac
import secrets

from django.conf import settings
from django.utils.crypto import salted_hmac


def salt_new() -> str:
    return secrets.token_hex(32)


def key_id(key: str | None = None) -> str:
    """What names a key of the hub, by default the present one, and does not give it away."""
    key = settings.SECRET_KEY if key is None else key
    return salted_hmac("ops.webhook.key", "", secret=key, algorithm="sha256").hexdigest()[:16]


def secret_of(salt: str, made_with: str = "") -> str:
    """The secret that belongs to a salt and the key it was made with: `whsec_` and 43 characters.

    Where that key is listed no more, or none is named, it is the present key's.
    """
    keys = {key_id(key): key for key in settings.SECRET_KEY_FALLBACKS}
    key = keys.get(made_with, settings.SECRET_KEY)
    digest = salted_hmac("ops.webhook", salt, secret=key, algorithm="sha256").digest()
    return "whsec_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def signature(secret: str, timestamp: int, delivery: str, body: str) -> str:
    """The value of `X-AIHub-Signature`: HMAC-SHA256 of `timestamp.delivery.body`."""
    signed = f"{timestamp}.{delivery}.{body}".encode()
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
