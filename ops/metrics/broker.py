"""What the broker says of its queues."""

from kombu.exceptions import ChannelError

from aihub.celery import app
from registry.processing.worker import QUEUES

_TIMEOUTS = {"socket_connect_timeout": 3, "socket_timeout": 3}  # seconds


def queue_lengths() -> dict[str, int]:
    """Messages in each queue, waiting for a worker; raises where the broker does not answer."""
    with app.connection_for_read(transport_options=_TIMEOUTS) as connection:
        channel = connection.default_channel
        return {queue: _length(channel, queue) for queue in QUEUES}


def _length(channel: object, queue: str) -> int:
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)  # type: ignore[attr-defined]
    except ChannelError:  # a queue that is empty is none
        return 0
