"""From an `Authorization` header to a `Principal`: the same code for both doors."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from aihub.access import Principal
from aihub.problems import N_, Problem
from ops.identity.directory import Directory
from ops.identity.token_keys import Access

KEY_PREFIX = "aihub_"
_MAX_LENGTH = 4096
_CACHED_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says. `expires_at` is in seconds since the epoch."""

    user_id: int
    stamp: str
    expires_at: float


def unauthorized(message: str) -> Problem:
    return Problem(401, message, headers={"WWW-Authenticate": 'Bearer realm="aihub", Api-Key'})


def digest_of(key: str) -> str:
    """How a key is kept and found: it is random and long, so a plain hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


class Authenticator:
    """Authenticates by `directory()`; a token is verified once and remembered until it expires.

    `on_key` is told the id of every API key that was used.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        on_key: Callable[[int], None] = lambda key_id: None,
    ) -> None:
        self.directory = directory
        self.on_key = on_key
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def authenticate(self, authorization: str) -> Principal:
        """The principal of a header's value; `Problem` 401 where there is none."""
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if not credential or len(credential) > _MAX_LENGTH:
            raise unauthorized(N_("Send “Authorization: Bearer <token>” or “Api-Key <key>”."))
        if scheme.lower() == "bearer":
            return self._by_token(credential)
        if scheme.lower() == "api-key":
            return self._by_key(credential)
        raise unauthorized(N_("Send “Authorization: Bearer <token>” or “Api-Key <key>”."))

    def _by_token(self, token: str) -> Principal:
        claims = self._verified.get(token) or self._verify(token)
        if claims.expires_at <= time.time():
            self._verified.pop(token, None)
            raise unauthorized(N_("The token has expired."))
        user = self.directory().user(claims.user_id)
        if user is None or user.stamp != claims.stamp:
            raise unauthorized(N_("The token is no longer valid."))
        return user.principal

    def _by_key(self, key: str) -> Principal:
        record = self.directory().key(digest_of(key))
        if record is None:
            raise unauthorized(N_("The API key is not valid."))
        if record.expired():
            raise unauthorized(N_("The API key has expired."))
        self.on_key(record.id)
        return record.principal

    def _verify(self, raw: str) -> Claims:
        try:
            token = Access(raw)  # type: ignore[arg-type]
            claims = Claims(
                user_id=int(token[api_settings.USER_ID_CLAIM]),
                stamp=str(token[api_settings.REVOKE_TOKEN_CLAIM]),
                expires_at=float(token["exp"]),
            )
        except (TokenError, KeyError, TypeError, ValueError):
            raise unauthorized(N_("The token is not valid or has expired.")) from None
        self._verified[raw] = claims
        while len(self._verified) > _CACHED_TOKENS:
            self._verified.popitem(last=False)
        return claims
