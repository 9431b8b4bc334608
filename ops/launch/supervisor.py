"""Keeps the roles running: starts them, starts again one that dies, stops all of them."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from ops.launch.child import Child, Role
from ops.launch.console import Console
from ops.launch.preflight import CannotStart

TICK = 0.1  # seconds between two looks
PATIENCE = 25.0  # seconds that a role has to stop
STEADY = 10.0  # seconds after which a role counts as started
FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
TRIES = 5  # starts of a role that never became steady
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Watched:
    """A role, its child, and how often it has failed in a row."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.child: Child | None = None
        self.failures = 0
        self.was_steady = False
        self.next_start = 0.0

    def start_if_due(self) -> None:
        if time.monotonic() >= self.next_start:
            self.child = Child(self.role)

    def failed(self, child: Child) -> float:
        """Note that it ended; how many seconds to wait before the next start."""
        if child.age >= STEADY:
            self.was_steady, self.failures = True, 0
        delay = min(FIRST_DELAY * 2**self.failures, LONGEST_DELAY)
        self.failures += 1
        self.child, self.next_start = None, time.monotonic() + delay
        return delay


class Supervisor:
    """Runs roles until SIGINT, SIGTERM or SIGHUP. Use it from the main thread: the kernel ends
    a child when the thread that started it ends."""

    def __init__(
        self, roles: Iterable[Role], console: Console, *, patience: float = PATIENCE
    ) -> None:
        self._watched = [_Watched(role) for role in roles]
        self._console = console
        self._patience = patience
        self._asked_to_stop = 0

    def run(self) -> None:
        """Keep every role running until a signal comes; nothing of them is left afterwards.

        Raises `CannotStart` when a role fails again and again without ever having started.
        """
        with self._listening():
            try:
                while not self._asked_to_stop:
                    self._look_after_all()
                    time.sleep(TICK)
            finally:
                self._stop_all()

    def _look_after_all(self) -> None:
        for watched in self._watched:
            if watched.child is None:
                watched.start_if_due()
            elif (code := watched.child.ended()) is not None:
                self._handle_end(watched, watched.child, code)

    def _handle_end(self, watched: _Watched, child: Child, code: int) -> None:
        delay = watched.failed(child)
        name = watched.role.name
        if watched.failures == 1 and not watched.was_steady:
            self._console.warn(f"The {name} failed; the end of {watched.role.log}:")
            self._console.quote(child.last_lines())
        if watched.failures >= TRIES and not watched.was_steady:
            raise CannotStart(f"The {name} fails again and again; its log is {watched.role.log}.")
        self._console.warn(f"The {name} ended ({_how(code)}); starting it again in {delay:g} s.")

    def _stop_all(self) -> None:
        """Ask all of them, wait for all, then end what is left; a second signal ends the wait."""
        children = [watched.child for watched in self._watched if watched.child]
        self._console.doing("Stopping; Ctrl-C again stops at once.")
        signals_before = self._asked_to_stop
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + self._patience
        while any(child.ended() is None for child in children):
            if time.monotonic() > deadline or self._asked_to_stop > signals_before:
                break
            time.sleep(TICK)
        for child in children:
            child.kill_and_wait()
        self._console.done("Stopped.")

    @contextmanager
    def _listening(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self._ask_to_stop)
            for number in _SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN  # as nohup wishes
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop += 1


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
