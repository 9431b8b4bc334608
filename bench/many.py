"""More models than memory: random traffic to 24 with a budget for 8.

    .venv/bin/python -m bench.many [--seconds N] [--scale S]

Variants are off: what is measured is how the pool loads and lets go.
"""

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np

from bench import graphs, hub as hubs
from bench.hub import API, VERSION, Hub
from bench.load import BROKEN, Load, Tally
from bench.overload import Memory
from bench.report import table
from bench.running import Run, alone
from bench.servers import JSON
from bench.wrk import Post

MODELS, FIT, CALLERS = 24, 8, 8
LASTS = 300.0  # seconds
SMALLEST, LARGEST = 1.0, 60.0  # MB of weights
_ROOM = 1.25  # bytes in memory for each byte of weights
_MB = 1_000_000
_COUNTERS = {
    "loads": "inference_model_loads_total",
    "load_seconds": "inference_model_load_seconds_total",
    "evictions": "inference_model_evictions_total",
    "memory": "inference_model_memory_bytes",
}


def run(run: Run) -> dict[str, Any]:
    """What callers got, what the pool did, and what memory did."""
    sizes = np.linspace(SMALLEST, LARGEST, MODELS)
    budget = round(sizes.sum() * _MB * _ROOM * FIT / MODELS)
    lasts, tally = LASTS * run.scale, Tally()
    settings = {"AIHUB_OPTIMISE": "false", "AIHUB_MODEL_MEMORY": str(budget)}
    with hubs.running(run.folder / "many", **settings) as hub:
        names = _publish(hub, run.folder, sizes)
        posts = [_post(hub, name) for name in names]
        for post in posts:
            hub.warm(post)
        before = _counters(hub)
        choose = random.Random(0)
        with Memory(hub.server()) as memory:
            Load(lambda: choose.choice(posts), CALLERS, lasts, tally, obedient=False).run()
        after = _counters(hub)
    return {
        "models": len(names),
        "budget_mb": round(budget / _MB),
        "seconds": lasts,
        "answers": tally.statuses.total(),
        "failed": tally.failed,
        "broken": tally.statuses[BROKEN],
        "p50_ms": tally.milliseconds(0.5),
        "p99_ms": tally.milliseconds(0.99),
        **_pool(before, after, lasts),
        "memory_mib": memory.seen,
    }


def _publish(hub: Hub, folder: Path, sizes: Any) -> list[str]:
    names = [f"many-{number:02}" for number in range(len(sizes))]
    for seed, (name, size) in enumerate(zip(names, sizes, strict=True)):
        file = graphs.dense(folder / f"{name}.onnx", float(size), seed)
        with file.open("rb") as content:
            form = {"version": VERSION, "task": "tensor"}
            path = f"{API}/models/{name}/versions/"
            hub.call("POST", path, data=form, files={"file": (file.name, content)})
        file.unlink()
    for name in names:
        hub.wait_ready(name)
    return names


def _post(hub: Hub, name: str) -> Post:
    row = np.random.default_rng(0).standard_normal((1, graphs.WIDTH)).round(3).tolist()
    body = json.dumps({"inputs": row}).encode()
    return Post(f"{hub.url}{API}/models/{name}/predict/", JSON, body, hub.authorization)


def _counters(hub: Hub) -> dict[str, float] | None:
    """The pool's counters, as Prometheus reads them."""
    text = hub.http.get("/metrics").text
    found = {key: re.search(rf"^{name} (\S+)$", text, re.M) for key, name in _COUNTERS.items()}
    return {key: float(match[1]) for key, match in found.items() if match}


def _pool(
    before: dict[str, float] | None, after: dict[str, float] | None, seconds: float
) -> dict[str, Any]:
    """What the pool did meanwhile."""
    if not before or not after:
        return {}
    counted = ("loads", "load_seconds", "evictions")
    found: dict[str, Any] = {key: round(after[key] - before[key], 1) for key in counted}
    found["loading_share"] = round(found["load_seconds"] / seconds, 3)
    found["pool_mb"] = round(after["memory"] / _MB)
    return found


def report(found: dict[str, Any]) -> str:
    """The table, in Markdown."""
    texts = {
        "answers": "answers",
        "failed": "failed",
        "p50_ms": "p50, ms",
        "p99_ms": "p99, ms",
        "loads": "loads",
        "evictions": "evictions",
        "loading_share": "time spent loading, share",
        "budget_mb": "budget, MB",
        "pool_mb": "held at the end, MB",
    }
    rows: list[Any] = [[text, found.get(key)] for key, text in texts.items()]
    memory = found["memory_mib"]
    rows.append(["memory of the server, first–most–last, MiB", _span(memory)])
    head = (f"{found['models']} models, {CALLERS} callers, {found['seconds']:g} s", "")
    return f"### Many models\n\n{table(head, rows)}"


def _span(memory: list[int]) -> str:
    return f"{memory[0]}–{max(memory)}–{memory[-1]}"


if __name__ == "__main__":
    alone("many", run, report)
