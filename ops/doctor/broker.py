"""The broker: takes a message and gives it back; a Redis drops none to save memory."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from typing import Any

from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from aihub.celery import app
from ops.doctor.findings import Finding, fail, ok, warn

WAIT = 5  # seconds
DO = (
    "Look at the server and at AIHUB_BROKER_URL. Until it answers, work waits in the database and "
    "nothing is lost; workers that are at work go on."
)


def check() -> Iterator[Finding]:
    try:
        with app.connection_for_write(connect_timeout=WAIT) as connection:
            connection.ensure_connection(max_retries=1, timeout=WAIT)
            came = _round_trip(connection)
            if not came:
                yield fail("a message that was sent to the broker did not come back", DO)
                return
            yield ok("a message went through the broker and came back")
            if connection.transport.driver_type == "redis":
                channel: Any = connection.default_channel
                yield from _redis(channel.client.info())
    except (OperationalError, RedisError, OSError) as error:
        yield fail(f"the broker does not answer: {error}", DO)


def _round_trip(connection: Any) -> bool:
    name = f"doctor-{uuid.uuid4().hex}"
    with connection.SimpleQueue(name, serializer="json") as queue:
        try:
            queue.put(name)
            message = queue.get(timeout=WAIT)
            message.ack()
            return bool(message.payload == name)
        except Empty:
            return False
        finally:
            with suppress(OperationalError):
                queue.queue.delete()


def _redis(said: dict[str, Any]) -> Iterator[Finding]:
    policy, limit = said.get("maxmemory_policy", "noeviction"), said.get("maxmemory", 0)
    if limit and policy != "noeviction":
        yield warn(
            f"Redis {said['redis_version']} drops messages when its memory is full ({policy})",
            "Set “maxmemory-policy noeviction”; a cache that wants another policy needs a server "
            f"of its own (AIHUB_CACHE_URL is {'' if settings.ENV.AIHUB_CACHE_URL else 'not '}set).",
        )
    used = said.get("used_memory", 0)
    if limit and used > 0.9 * limit:
        yield warn(
            f"Redis uses {used} of its {limit} bytes",
            "Raise maxmemory, or look for what fills it: the hub's own messages are few.",
        )
