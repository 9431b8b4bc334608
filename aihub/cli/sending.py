"""One file to the hub: begun, or gone on with, part by part, until the hub has all of it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aihub.cli import local
from aihub.cli.backoff import Backoff
from aihub.cli.crew import work_on
from aihub.cli.failures import Exit, Failure, of_status
from aihub.cli.hub import Hub, segment, tls
from aihub.cli.local import Identity, Source
from aihub.cli.output import Output, size
from aihub.cli.pace import Pace
from aihub.cli.part_urls import PartUrls
from aihub.cli.progress import Meter, metered
from aihub.cli.store_errors import said_by_store
from aihub.cli.unfinished import Memory, Unfinished
from aihub.cli.wire import Answer, Broken, Slice, Stopped, Wire

LARGE = 256 * 1024 * 1024  # bytes from which summing takes long enough to be shown
REFUSALS = 3  # fresh URLs for one part before its refusal is believed


@dataclass(frozen=True)
class Sent:
    """A file that the hub has; what this command had to send of it, in parts and bytes."""

    path: str
    size: int
    sha256: str
    upload: str
    known: bool
    parts_sent: int
    bytes_sent: int


@contextmanager
def kept_if_interrupted() -> Iterator[None]:
    """What Ctrl-C means while files are sent."""
    try:
        yield
    except KeyboardInterrupt:
        raise Failure(
            "interrupted; what arrived is kept, and the same command goes on from there.",
            Exit.INTERRUPTED,
        ) from None


class Sender:
    """Sends files to one hub, with up to `parallel` parts under way at once."""

    def __init__(self, hub: Hub, output: Output, parallel: int) -> None:
        self.hub, self.output, self.pace = hub, output, Pace(parallel)
        self._wires = threading.local()
        self._tls = tls()

    def summed(self, source: Source, memory: Memory) -> Unfinished:
        """The file's sum: from memory where the file is what it was, else read."""
        identity = local.identity(source.file)
        known = memory.recall(identity)
        if known:
            return known
        found = self._sum(source, identity)
        fresh = Unfinished(identity, found, memory.upload_of(found))
        _check_same(source, identity)
        memory.keep(fresh)
        return fresh

    def send(self, source: Source, unfinished: Unfinished, memory: Memory) -> Sent:
        """Bring the file to the hub; `Failure` where that cannot be, with all that arrived kept."""
        upload = self._resumed(unfinished) or self._begun(source, unfinished, memory)
        identity, known, sent = unfinished.identity, upload["state"] == "complete", (0, 0)
        if known:
            self.output.note(f"{source.path}: the hub has it already; nothing is sent.")
        else:
            sent = self._send_parts(source, identity, upload)
        return Sent(source.path, identity.size, unfinished.sha256, upload["id"], known, *sent)

    def _sum(self, source: Source, identity: Identity) -> str:
        if identity.size < LARGE:
            return local.sha256_of(source.file)
        with metered(self.output, f"{source.path}: sum", identity.size) as meter:
            return local.sha256_of(source.file, meter.add)

    def _resumed(self, unfinished: Unfinished) -> Any:
        """The upload as the hub knows it; None where there is none to go on with."""
        if not unfinished.upload:
            return None
        found = self.hub.get_if_there(_path(unfinished.upload))
        return found if found and found["size"] == unfinished.identity.size else None

    def _begun(self, source: Source, unfinished: Unfinished, memory: Memory) -> Any:
        body = {
            "filename": source.file.name,
            "size": unfinished.identity.size,
            "sha256": unfinished.sha256,
        }
        upload = self.hub.post("/uploads/", body)
        memory.keep(Unfinished(unfinished.identity, unfinished.sha256, upload["id"]))
        return upload

    def _send_parts(
        self, source: Source, identity: Identity, upload: dict[str, Any]
    ) -> tuple[int, int]:
        sizes = _sizes(identity.size, upload["part_size"])
        tags = _arrived(upload.get("parts", []), sizes)
        missing = [number for number in sizes if number not in tags]
        there = sum(sizes[number] for number in tags)
        if tags:
            self.output.note(f"{source.path}: goes on; {size(there)} are there already.")
        urls = PartUrls(self.hub, _path(upload["id"]), missing)
        with metered(self.output, source.path, identity.size, there) as meter:

            def work(number: int) -> tuple[int, str]:
                offset = (number - 1) * upload["part_size"]
                part = Slice(source.file, offset, sizes[number])
                return number, self._send_part(urls, number, part, meter)

            arriving = work_on(missing, work, threads=lambda: self.pace.width, stop=self.hub.stop)
            tags |= dict(arriving)
        _check_same(source, identity)
        self._complete(upload["id"], tags)
        return len(missing), identity.size - there

    def _send_part(self, urls: PartUrls, number: int, part: Slice, meter: Meter) -> str:
        """The tag of a part that arrived."""
        backoff, refusals = Backoff(self.hub.patience, self.hub.stop), 0
        url, headers = urls.get(number)
        while True:
            answer, why = self._attempt(url, headers, part, meter)
            if answer and answer.status in (200, 201, 204):
                return answer.headers.get("etag", "")
            if answer and answer.status == 403 and refusals < REFUSALS:
                refusals += 1
            elif answer and answer.status < 500 and answer.status not in (408, 429):
                raise of_status(answer.status, f"Part {number} was refused: {why}")
            elif not backoff.wait():
                raise Failure(f"Part {number} could not be sent: {why}", Exit.UNREACHABLE)
            url, headers = urls.renewed(number)

    def _attempt(
        self, url: str, headers: dict[str, str], part: Slice, meter: Meter
    ) -> tuple[Answer | None, str]:
        """The answer to one attempt, or None, and why it is no success."""
        moved = 0

        def count(sent: int) -> None:
            nonlocal moved
            moved += sent
            meter.add(sent)
            self.pace.add(sent)

        try:
            answer = self._wire().put(url, headers, part, count)
        except Broken as broken:
            meter.add(-moved)
            return None, str(broken)
        except Stopped:
            raise Failure("stopped.", Exit.INTERRUPTED) from None
        if answer.status >= 300:
            meter.add(-moved)
        return answer, said_by_store(answer)

    def _complete(self, upload: str, tags: dict[int, str]) -> None:
        parts = [{"number": number, "etag": tag} for number, tag in sorted(tags.items())]
        backoff = Backoff(self.hub.patience, self.hub.stop)
        while True:
            try:
                self.hub.post(f"{_path(upload)}complete/", {"parts": parts})
                return
            except Failure as failure:
                # An answer that was lost may have been a success.
                if self.hub.get(_path(upload))["state"] == "complete":
                    return
                if failure.code != Exit.UNREACHABLE or not backoff.wait():
                    raise

    def _wire(self) -> Wire:
        if not hasattr(self._wires, "wire"):
            self._wires.wire = Wire(self._tls, self.hub.stop)
        wire: Wire = self._wires.wire
        return wire


def _path(upload: str) -> str:
    return f"/uploads/{segment(upload)}/"


def _sizes(total: int, part_size: int) -> dict[int, int]:
    """How large each part is, by its number; they count from 1, and an empty file has one."""
    count = max(1, -(-total // part_size))
    return {n: min(part_size, total - (n - 1) * part_size) for n in range(1, count + 1)}


def _arrived(parts: Sequence[dict[str, Any]], sizes: dict[int, int]) -> dict[int, str]:
    """The tags of parts that are there whole."""
    return {
        part["number"]: part["etag"] for part in parts if sizes.get(part["number"]) == part["size"]
    }


def _check_same(source: Source, identity: Identity) -> None:
    if local.identity(source.file) != identity:
        raise Failure(f"{source.path} was changed meanwhile; run the command again.")
