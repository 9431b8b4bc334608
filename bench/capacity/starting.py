"""How long a new replica takes until it answers, measured."""

import statistics
import time

import httpx

from bench import hub as hubs
from bench.hub import DEMONSTRATED
from bench.running import Run
from bench.swaps import replica

TIMES = 3


def start_seconds(run: Run) -> dict[str, float]:
    """From a process's start: until it is ready, and until the first call, which loads a model, is
    answered. Medians."""
    with hubs.running(run.shared, AIHUB_OPTIMISE="false") as hub:
        post = hubs.photograph_post(hub, DEMONSTRATED)
        path = post.url.removeprefix(hub.url)
        headers = {"Content-Type": post.content_type, "Authorization": hub.authorization}
        found = [_started(run, number, path, headers, post.body) for number in range(TIMES)]
    ready, answered = (statistics.median(kind) for kind in zip(*found, strict=True))
    return {"ready": round(ready, 1), "answers": round(answered, 1)}


def _started(
    run: Run, number: int, path: str, headers: dict[str, str], body: bytes
) -> tuple[float, float]:
    began = time.monotonic()
    with replica(run, number) as url:
        ready = time.monotonic() - began
        httpx.post(url + path, content=body, headers=headers, timeout=120).raise_for_status()
        return ready, time.monotonic() - began
