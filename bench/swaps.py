"""An alias moved fifty times between two versions, under load, on two replicas.

    .venv/bin/python -m bench.swaps [--seconds N] [--scale S]

No request may fail, no third version may answer, and the p99 should hardly notice.
"""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from aihub import env
from bench import hub as hubs
from bench.hub import API, DEMONSTRATED, LITE0, LITE1, Hub
from bench.load import Answer, Load, Tally, around
from bench.places import ROOT
from bench.report import table
from bench.running import Run, alone
from bench.servers import stop
from bench.wrk import Post
from ops.launch.roles import server_command
from tests.ports import free_port

REPLICAS, CALLERS = 2, 64
SWAPS, EVERY = 50, 1.0  # moves of the alias, and the seconds between two
ALIAS = "production"


class Seen(Tally):
    """A tally that reads which version answered."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: Counter[str] = Counter()

    def __call__(self, post: Post, answer: Answer) -> None:
        super().__call__(post, answer)
        if answer.status == 200:
            self.versions[json.loads(answer.body)["version"]] += 1


def run(run: Run) -> dict[str, Any]:
    """The same load without and with swaps."""
    with ExitStack() as stack:
        hub = stack.enter_context(hubs.running(run.shared))
        urls = [stack.enter_context(replica(run, number)) for number in range(REPLICAS)]
        post = hubs.photograph_post(hub, DEMONSTRATED)
        posts = [_at(url, post) for url in urls]
        _move(hub, LITE1)
        for aimed in posts:
            hub.warm(aimed)
        swaps = max(2, round(SWAPS * run.scale))
        calm = _loaded(posts, swaps * EVERY / 2)
        mover = threading.Thread(target=_move_often, args=(hub, swaps), daemon=True)
        mover.start()
        moved = _loaded(posts, swaps * EVERY)
        mover.join()
    return {"swaps": swaps, "without": _told(calm), "with": _told(moved)}


def _at(url: str, post: Post) -> Post:
    parts = urlsplit(post.url)
    return replace(post, url=f"{url}{parts.path}")


@contextmanager
def replica(run: Run, number: int) -> Iterator[str]:
    """A process that only predicts, over the hub's own database and files."""
    port = free_port()
    environ = hubs.environ(run.shared, port, AIHUB_ROLE="infer")
    log = run.folder / f"replica-{number}.txt"
    with log.open("ab") as output:
        command = server_command(env.read(environ))
        process = subprocess.Popen(
            command, env=environ, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        hubs.wait_started(url, process, log)
        yield url
    finally:
        process.terminate()
        hubs.wait_quietly(process)
        stop(process)


def _loaded(posts: list[Post], seconds: float) -> Seen:
    seen = Seen()
    Load(around(posts), CALLERS, seconds, seen, obedient=False).run()
    return seen


def _move_often(hub: Hub, swaps: int) -> None:
    start = time.monotonic()
    for number in range(swaps):
        _move(hub, (LITE0, LITE1)[number % 2])
        time.sleep(max(0.0, start + (number + 1) * EVERY - time.monotonic()))


def _move(hub: Hub, version: str) -> None:
    path = f"{API}/models/{DEMONSTRATED}/aliases/{ALIAS}/"
    hub.call("PUT", path, json={"version": version, "comment": "benchmark"})


def _told(seen: Seen) -> dict[str, Any]:
    return {
        "answers": seen.statuses.total(),
        "failed": seen.failed,
        "statuses": {str(status): count for status, count in seen.statuses.items()},
        "versions": dict(seen.versions),
        "p50_ms": seen.milliseconds(0.5),
        "p99_ms": seen.milliseconds(0.99),
    }


def report(found: dict[str, Any]) -> str:
    """The table, in Markdown."""
    rows = [
        ("answers", "answers"),
        ("failed", "failed"),
        ("p50, ms", "p50_ms"),
        ("p99, ms", "p99_ms"),
    ]
    cells: list[Any] = [[text, found["without"][key], found["with"][key]] for text, key in rows]
    versions = (", ".join(sorted(found[side]["versions"])) for side in ("without", "with"))
    cells.append(["versions that answered", *versions])
    head = (f"{CALLERS} callers, {REPLICAS} replicas", "no swap", f"{found['swaps']} swaps")
    return "\n\n".join(["### Swaps of versions", table(head, cells)])


if __name__ == "__main__":
    alone("swaps", run, report)
