"""Beside a worker: what is due is sent by threads, one a receiver, so that nobody waits for
another's receiver, and no other work of the hub for any.
"""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue

from ops.notifications.claims import Receiver, delivery_claim, receivers_due
from ops.notifications.delivering import deliver
from registry.processing.worker import LOOK_EVERY, close_connection, kept_alive, worker_name

AT_ONCE = 16  # receivers
TURN = 20  # deliveries to one of them, before the others are looked at

logger = logging.getLogger(__name__)


class Postman(threading.Thread):
    """Looks for receivers to whom something is due, and has each served by a thread of its own.

    Every worker may have one: whoever has a delivery's lease sends it.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        super().__init__(name="postman", daemon=True)
        self._at_once = at_once
        self._turns: dict[int | None, int] = {}  # the turn in which each was last served
        self._busy: set[Receiver] = set()
        self._ended: SimpleQueue[Receiver | None] = SimpleQueue()  # None: look, for `stop`
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception:  # the thread must outlive a database that is away
                logger.warning("nothing can be delivered; it is tried again", exc_info=True)
            close_connection()  # as a housekeeper does, for processes that are forked meanwhile
            self._wait()
        while self._busy:
            self._forget(self._ended.get())

    def stop(self) -> None:
        """Begin nothing any more; the thread ends once what is being sent was sent."""
        self._stopped.set()
        self._ended.put(None)

    def _look(self) -> None:
        due = receivers_due()
        for receiver in list(chosen(due, self._busy, self._turns, self._at_once)):
            self._busy.add(receiver)
            self._turns[receiver.webhook] = max(self._turns.values(), default=0) + 1
            # No daemon: a process that ends does not cut what is being sent.
            threading.Thread(target=self._serve, args=(receiver,), name="courier").start()

    def _serve(self, receiver: Receiver) -> None:
        try:
            receiver_serve(receiver, self._stopped)
        except Exception:
            logger.exception("deliveries to a receiver stop; they are tried again")
        finally:
            close_connection()
            self._ended.put(receiver)

    def _wait(self) -> None:
        """Until somebody was served, or it is time to look again."""
        with suppress(Empty):
            self._forget(self._ended.get(timeout=LOOK_EVERY))
            while True:
                self._forget(self._ended.get_nowait())

    def _forget(self, ended: Receiver | None) -> None:
        if ended:
            self._busy.discard(ended)


def chosen(
    due: Collection[Receiver],
    busy: Collection[Receiver],
    turns: Mapping[int | None, int],
    at_once: int,
) -> Iterator[Receiver]:
    """Who is served next, so that no more than `at_once` are: who waits for longest comes first.

    Those that failed when they were last tried are half of them at most: the others never wait for
    receivers that do not answer.
    """
    known = {receiver.webhook for receiver in busy}
    waiting = [receiver for receiver in due if receiver.webhook not in known]
    room, for_doubtful = at_once - len(busy), at_once // 2 - sum(r.doubtful for r in busy)
    for receiver in sorted(waiting, key=lambda receiver: turns.get(receiver.webhook, 0)):
        if room > 0 and (for_doubtful > 0 or not receiver.doubtful):
            room, for_doubtful = room - 1, for_doubtful - receiver.doubtful
            yield receiver


def receiver_serve(receiver: Receiver, stopped: threading.Event) -> None:
    """Send what is due to one receiver, in turn, until something of it fails."""
    for _ in range(TURN):
        lease = None if stopped.is_set() else delivery_claim(receiver.webhook, worker_name())
        if lease is None:
            return
        with kept_alive(lease):
            arrived = deliver(lease)
        if not arrived:
            return
