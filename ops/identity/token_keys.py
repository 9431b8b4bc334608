"""The tokens of the hub: signed with its key, verified with those that it had before too."""

from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.settings import api_settings
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
    """A token that gets the next pair."""

    access_token_class = Access

    @property
    def token_backend(self) -> TokenBackend:
        return _rotating


def _backend(key: str, kind: type[TokenBackend] = TokenBackend) -> TokenBackend:
    return kind(api_settings.ALGORITHM, key, issuer=api_settings.ISSUER)


_rotating = _backend(api_settings.SIGNING_KEY, Rotating)
