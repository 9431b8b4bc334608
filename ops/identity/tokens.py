"""Refresh tokens: each is used once, by a user who may still sign in."""

from typing import Any

from django.contrib.auth import get_user_model
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.utils import get_md5_hash_password

from aihub.problems import N_
from ops.identity.credentials import unauthorized
from ops.identity.token_keys import Refresh

INVALID = N_("The token is not valid or has expired.")


def tokens_for(user: Any) -> dict[str, str]:
    """A new pair of tokens for a user."""
    refresh = Refresh.for_user(user)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def tokens_refresh(raw: str) -> dict[str, str]:
    """A new pair for a refresh token, which is used up; `Problem` 401 where it does not hold."""
    token = _parsed(raw)
    user_id = token.get(api_settings.USER_ID_CLAIM)
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    stamp = token.get(api_settings.REVOKE_TOKEN_CLAIM)
    if user is None or stamp != get_md5_hash_password(user.password) or not _use_up(token):
        raise unauthorized(INVALID)
    return tokens_for(user)


def token_end(raw: str) -> None:
    """Use up a refresh token; `Problem` 401 where it does not hold."""
    _use_up(_parsed(raw))


def _parsed(raw: str) -> Refresh:
    try:
        return Refresh(raw)  # type: ignore[arg-type]
    except TokenError:
        raise unauthorized(INVALID) from None


def _use_up(token: Refresh) -> bool:
    """True for exactly one of any number of callers."""
    used_up: tuple[object, bool] = token.blacklist()  # type: ignore[assignment]
    return used_up[1]
