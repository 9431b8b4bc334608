"""wrk: one body posted again and again over so many connections."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Any

from bench.places import BENCH

TIMEOUT = 30  # seconds of one answer


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted where."""

    url: str
    content_type: str
    body: bytes
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """`rate` counts good answers a second; `errors` are answers from 400 up and broken calls."""

    connections: int
    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    requests: int
    errors: int


def measure(post: Post, connections: int, seconds: float) -> Measured:
    """Post for so many seconds; the latencies are of all answers."""
    with tempfile.NamedTemporaryFile(prefix="bench-body-") as file:
        file.write(post.body)
        file.flush()
        arguments = (file.name, post.content_type, post.authorization)
        done = subprocess.run(
            [
                *("wrk", "--threads", "1", "--connections", str(connections)),
                *("--duration", f"{max(1, round(seconds))}s", "--timeout", f"{TIMEOUT}s"),
                *("--script", str(BENCH / "post.lua"), post.url, "--", *arguments),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    return _measured(json.loads(done.stdout.splitlines()[-1]), connections)


def _measured(found: dict[str, Any], connections: int) -> Measured:
    return Measured(
        connections=connections,
        rate=round((found["requests"] - found["refused"]) / found["seconds"], 2),
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        max_ms=found["max_ms"],
        requests=found["requests"],
        errors=found["refused"] + found["broken"],
    )
