"""The secret of a webhook, and the signature that it makes.

The secret is derived from the webhook's salt and the hub's own secret: who reads the database
alone can sign nothing, and there is nothing to decrypt.
"""

import base64
import hashlib
import hmac
import secrets

from django.utils.crypto import salted_hmac


def salt_new() -> str:
    return secrets.token_hex(32)


def secret_of(salt: str) -> str:
    """The secret that belongs to a salt: `whsec_` and 43 characters."""
    digest = salted_hmac("ops.webhook", salt, algorithm="sha256").digest()
    return "whsec_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def signature(secret: str, timestamp: int, delivery: str, body: str) -> str:
    """The value of `X-AIHub-Signature`: HMAC-SHA256 of `timestamp.delivery.body`."""
    signed = f"{timestamp}.{delivery}.{body}".encode()
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
