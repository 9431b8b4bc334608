"""One file from the hub, or from the store that it leads to, piece by piece."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from aihub.cli import local
from aihub.cli.backoff import Backoff
from aihub.cli.crew import work_on
from aihub.cli.failures import Exit, Failure, of_status
from aihub.cli.hub import API, Hub, tls
from aihub.cli.output import Output, size
from aihub.cli.partial import Partial, Piece
from aihub.cli.progress import Meter, metered
from aihub.cli.store_errors import said_by_store
from aihub.cli.wire import Answer, Broken, Stopped, Wire

REFUSALS = 3  # fresh URLs for one piece before a store's refusal is believed
_ELSEWHERE = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Remote:
    """A file as the hub describes it: `url` is where in the API, `path` its name."""

    url: str
    path: str
    size: int
    sha256: str


class _NoRanges(Exception):
    """The server sends the whole file, whatever is asked for."""


class Receiver:
    """Fetches files from one hub with several pieces under way at once."""

    def __init__(self, hub: Hub, output: Output, parallel: int) -> None:
        self.hub, self.output, self.parallel = hub, output, parallel
        self._wires = threading.local()
        self._tls = tls()

    def fetch(self, remote: Remote, place: Path) -> bool:
        """Have the file at `place`, its sum checked; False where it was there already."""
        if _is_there(remote, place):
            return False
        with Partial(place, remote.size, remote.sha256) as partial:
            self._fill(remote, partial)
            found = local.sha256_of(partial.part)
            if found != remote.sha256:
                partial.discard()
                raise Failure(
                    f"{remote.path}: the content that came is not what the hub has: its "
                    f"SHA-256 is {found}, and should be {remote.sha256}. Nothing was kept."
                )
            partial.accept()
        return True

    def _fill(self, remote: Remote, partial: Partial) -> None:
        missing = partial.missing()
        there = remote.size - sum(piece.size for piece in missing)
        if there:
            self.output.note(f"{remote.path}: goes on; {size(there)} are here already.")
        route = _Route(self.hub, remote)
        with metered(self.output, remote.path, remote.size, there) as meter:

            def work(piece: Piece) -> None:
                _Fetch(self._wire(), self.hub, route, partial, meter, piece).run()
                partial.finished(piece)

            try:
                for piece in missing[:1]:  # shows whether the server sends parts at all
                    work(piece)
            except _NoRanges:
                partial.begin_anew()
                meter.add(-there)
                whole = Piece(0, 0, remote.size)
                _Fetch(self._wire(), self.hub, route, partial, meter, whole).run()
                return
            for _ in work_on(missing[1:], work, threads=lambda: self.parallel, stop=self.hub.stop):
                pass

    def _wire(self) -> Wire:
        if not hasattr(self._wires, "wire"):
            self._wires.wire = Wire(self._tls, self.hub.stop)
        wire: Wire = self._wires.wire
        return wire


class _Route:
    """Where a file's bytes come from: the hub, or where the hub leads to, until that expires."""

    def __init__(self, hub: Hub, remote: Remote) -> None:
        self.home = f"{hub.login.url}{API}{remote.url}"
        self.remote = remote
        self.elsewhere: str | None = None

    def lead(self, location: str) -> None:
        url = urljoin(self.home, location)
        if urlsplit(url).scheme not in ("http", "https"):
            raise Failure(f"The hub leads to “{location}”: refused.")
        self.elsewhere = url


class _Fetch:
    """One piece, in as many requests as it takes; each goes on where the last one broke."""

    def __init__(
        self,
        wire: Wire,
        hub: Hub,
        route: _Route,
        partial: Partial,
        meter: Meter,
        piece: Piece,
    ) -> None:
        self.wire, self.hub, self.route = wire, hub, route
        self.partial, self.meter, self.piece = partial, meter, piece
        self.got = 0
        self.refusals = 0
        self.backoff = Backoff(hub.patience, hub.stop)

    def run(self) -> None:
        while self.got < self.piece.size:
            before = self.got
            why = self._attempt()
            if self.got > before:
                self.backoff = Backoff(self.hub.patience, self.hub.stop)
            elif why and not self.backoff.wait():
                raise Failure(
                    f"{self.route.remote.path} could not be fetched: {why}", Exit.UNREACHABLE
                )

    def _attempt(self) -> str:
        """One request; why it brought nothing where waiting may help, else the empty text."""
        direct = self.route.elsewhere
        authorization = "" if direct else self.hub.authorization()
        headers = {"Range": f"bytes={self._first}-{self._last}", "Accept-Encoding": "identity"}
        if authorization:  # for the hub alone: a store has its own proof in the URL
            headers["Authorization"] = authorization
        try:
            answer = self.wire.get(direct or self.route.home, headers, self._taker)
        except Broken as broken:
            return str(broken)
        except Stopped:
            raise Failure("stopped.", Exit.INTERRUPTED) from None
        if answer.status == 206:
            return "" if self.got == self.piece.size else "the answer was too short"
        return self._other(answer, direct, authorization)

    @property
    def _first(self) -> int:
        return self.piece.offset + self.got

    @property
    def _last(self) -> int:
        return self.piece.offset + self.piece.size - 1

    def _taker(self, answer: Answer) -> Callable[[bytes], None] | None:
        if answer.status == 200 and self.piece.size != self.route.remote.size:
            raise _NoRanges
        if answer.status == 200 and self.got:
            self.meter.add(-self.got)
            self.got = 0
        elif answer.status == 206 and not self._is_asked_for(answer):
            raise Failure(f"{self.route.remote.path}: other bytes came than were asked for.")
        return self._receive if answer.status in (200, 206) else None

    def _is_asked_for(self, answer: Answer) -> bool:
        expected = f"bytes {self._first}-{self._last}/{self.route.remote.size}"
        return answer.headers.get("content-range", expected) == expected

    def _receive(self, content: bytes) -> None:
        if self.got + len(content) > self.piece.size:
            raise Failure(f"{self.route.remote.path}: more bytes came than were asked for.")
        self.partial.write(content, self._first)
        self.got += len(content)
        self.meter.add(len(content))

    def _other(self, answer: Answer, direct: str | None, authorization: str) -> str:
        why, status = said_by_store(answer), answer.status
        if status == 200:
            return ""
        if status in _ELSEWHERE and not direct:
            self.route.lead(answer.headers.get("location", ""))
            return ""
        if status == 401 and not direct and self.refusals < REFUSALS:
            self.refusals += 1
            if self.hub.used_up(authorization):
                return ""
        if status == 403 and direct and self.refusals < REFUSALS:
            self.refusals += 1
            self.route.elsewhere = None
            return ""
        if status >= 500 or status in (408, 429):
            self.route.elsewhere = None
            return why
        raise of_status(status, f"{self.route.remote.path}: {why}")


def _is_there(remote: Remote, place: Path) -> bool:
    if place.is_symlink() or not place.is_file() or place.stat().st_size != remote.size:
        return False
    return local.sha256_of(place) == remote.sha256
