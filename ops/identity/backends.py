"""Password login for both doors, slowed down after failures."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from aihub import request_context
from ops.identity.throttle import LoginThrottle

_throttle = LoginThrottle.from_settings()


class ThrottledModelBackend(ModelBackend):
    """Django's own check; too many failures raise `Problem` 429 before the password is tried."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if username is None or password is None or "\0" in username:
            return None
        address = request_context.current().address
        _throttle.check(username, address)
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is None:
            _throttle.failed(username, address)
        return user
