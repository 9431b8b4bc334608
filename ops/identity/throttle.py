"""How often a login may fail: per user name and address, and per address."""

import hashlib
import logging
import time

import limits
from django.conf import settings
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from aihub.metrics import Limited
from aihub.problems import N_, Problem

ADDRESS_FACTOR = 5  # an address may fail this many times as often as one name from it

logger = logging.getLogger(__name__)


class LoginThrottle:
    """Counts failures only, so that a program that logs in often is never slowed down."""

    def __init__(self, storage_url: str, *, failures: int, window: int) -> None:
        self.limiter = MovingWindowRateLimiter(storage_from_string(storage_url))
        self.per_name = limits.RateLimitItemPerSecond(failures, window)
        self.per_address = limits.RateLimitItemPerSecond(failures * ADDRESS_FACTOR, window)

    @classmethod
    def from_settings(cls) -> "LoginThrottle":
        env = settings.ENV
        return cls(
            env.AIHUB_CACHE_URL or "memory://",
            failures=env.AIHUB_LOGIN_FAILURES,
            window=env.AIHUB_LOGIN_WINDOW,
        )

    def check(self, username: str, address: str) -> None:
        """`Problem` 429 with `Retry-After` once the limit is reached."""
        for item, key in self._items(username, address):
            try:
                allowed = self.limiter.test(item, "login", key)
            except self.limiter.storage.base_exceptions:
                logger.exception("failed logins cannot be counted")
                return
            if not allowed:
                raise self._too_many(item, key)

    def failed(self, username: str, address: str) -> None:
        """Count a failure."""
        for item, key in self._items(username, address):
            try:
                self.limiter.hit(item, "login", key)
            except self.limiter.storage.base_exceptions:
                logger.exception("failed logins cannot be counted")

    def _items(self, username: str, address: str) -> list[tuple[limits.RateLimitItem, str]]:
        name = hashlib.sha256(username.lower().encode()).hexdigest()
        return [(self.per_name, f"{name}@{address}"), (self.per_address, address)]

    def _too_many(self, item: limits.RateLimitItem, key: str) -> Problem:
        reset = self.limiter.get_window_stats(item, "login", key).reset_time
        wait = max(1, round(reset - time.time()))
        return Limited(
            "login",
            429,
            N_("Too many failed logins; try again in %(seconds)s seconds."),
            seconds=wait,
            headers={"Retry-After": str(wait)},
        )
