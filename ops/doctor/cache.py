"""The cache: gives back what was put in, and is one for all processes of production."""

import uuid
from collections.abc import Iterator

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from ops.doctor.findings import Finding, fail, ok, warn


def check() -> Iterator[Finding]:
    if not settings.ENV.AIHUB_CACHE_URL:
        if not settings.ENV.embedded:
            yield warn(
                "every process has a cache of its own, so that each counts failed logins alone",
                "Set AIHUB_CACHE_URL, for example to redis://redis:6379/1.",
            )
        return
    key = f"doctor-{uuid.uuid4().hex}"
    try:
        cache.set(key, key, timeout=60)
        came = cache.get(key)
        cache.delete(key)
    except (RedisError, OSError) as error:
        yield fail(f"the cache does not answer: {error}", "Look at the server and AIHUB_CACHE_URL.")
        return
    if came == key:
        yield ok("the cache gives back what was put in")
    else:
        yield fail("the cache forgets at once what was put in", "Look at its memory and policy.")
