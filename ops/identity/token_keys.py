"""The tokens of the hub: signed with its key, verified with those that it had before too."""

from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken


class Rotating(TokenBackend):
    """Takes tokens that an old key signed, as long as `SECRET_KEY_FALLBACKS` lists it."""

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        try:
            return super().decode(token, verify)
        except TokenBackendExpiredToken:
            raise
        except TokenBackendError:
            for key in settings.SECRET_KEY_FALLBACKS:
                try:
                    return _backend(key).decode(token, verify)
                except TokenBackendExpiredToken:
                    raise
                except TokenBackendError:
                    continue
            raise


class Access(AccessToken):
    """A token that opens the API."""

    @property
    def token_backend(self) -> TokenBackend:
        return _rotating


class Refresh(RefreshToken):
    """A token that gets the next pair, once, from the hub that remembers it."""

    access_token_class = Access

    def check_blacklist(self) -> None:
        """Raise TokenError unless the hub gave it out and nobody used it up.

        A hub that was restored has forgotten which were used: it takes none of before.
        """
        jti = self.payload.get(api_settings.JTI_CLAIM)
        if not OutstandingToken.objects.filter(jti=jti, blacklistedtoken=None).exists():
            raise TokenError("The token was used, or is not known here.")

    @property
    def token_backend(self) -> TokenBackend:
        return _rotating


def _backend(key: str, kind: type[TokenBackend] = TokenBackend) -> TokenBackend:
    return kind(api_settings.ALGORITHM, key, issuer=api_settings.ISSUER)


_rotating = _backend(api_settings.SIGNING_KEY, Rotating)
