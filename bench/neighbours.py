"""One model that hangs: what its neighbours' callers notice.

    .venv/bin/python -m bench.neighbours [--seconds N]

The hanging model keeps a core busy until the hub stops its run.
"""

import json
import threading
from dataclasses import asdict
from typing import Any

from bench import graphs, hub as hubs
from bench.hub import API, Hub
from bench.load import Load, Tally
from bench.report import table
from bench.running import Run, alone
from bench.servers import JSON
from bench.wrk import Measured, Post, measure

HANGING, CALLERS = "hanging", 4
CONNECTIONS = (1, 16)
_HARMLESS, _HANGS = 1.0, 100.0


def run(run: Run) -> dict[str, Any]:
    """The MLP's latency alone, and beside a model that hangs."""
    with hubs.running(run.shared) as hub:
        hub.ensure_mlp()
        if not hub.has(HANGING):
            file = graphs.endless(run.folder / "endless.onnx")
            hub.publish(HANGING, file, {"task": "tensor"})
            hub.wait_optimised(HANGING)
        post = hub.row()
        hub.warm(post)
        hub.warm(_post(hub, _HARMLESS))
        measure(post, max(CONNECTIONS), 1)
        without = _measured(post, run)
        tally = Tally()
        hanging = threading.Thread(target=_hang, args=(hub, tally, run), daemon=True)
        hanging.start()
        beside = _measured(post, run)
        hanging.join()
    statuses = {str(status): count for status, count in tally.statuses.items()}
    return {"without": without, "beside": beside, "hanging": statuses}


def _measured(post: Post, run: Run) -> list[dict[str, Any]]:
    found: list[Measured] = [measure(post, number, run.seconds) for number in CONNECTIONS]
    return [asdict(each) for each in found]


def _hang(hub: Hub, tally: Tally, run: Run) -> None:
    post = _post(hub, _HANGS)
    Load(lambda: post, CALLERS, run.seconds * len(CONNECTIONS), tally).run()


def _post(hub: Hub, number: float) -> Post:
    body = json.dumps({"inputs": [[number]]}).encode()
    return Post(f"{hub.url}{API}/models/{HANGING}/predict/", JSON, body, hub.authorization)


def report(found: dict[str, Any]) -> str:
    """The table, in Markdown."""
    rows = []
    for calm, beside in zip(found["without"], found["beside"], strict=True):
        keys = ("rate", "p50_ms", "p99_ms", "errors")
        for text, row in (("alone", calm), ("beside one that hangs", beside)):
            rows.append([f"{text}, {row['connections']} connections", *(row[key] for key in keys)])
    head = ("the MLP", "answers/s", "p50, ms", "p99, ms", "errors")
    note = f"The hanging model answered its callers: {found['hanging']}."
    return "\n\n".join(["### Neighbours", table(head, rows), note])


if __name__ == "__main__":
    alone("neighbours", run, report)
