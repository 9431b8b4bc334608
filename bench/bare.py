"""What the hub adds: its rate beside that of the same variant in a loop without a server.

.venv/bin/python -m bench.bare [--seconds N]
"""

import subprocess
import sys
from typing import Any

from bench import hub as hubs
from bench.places import ROOT
from bench.report import table
from bench.running import Run, alone
from bench.servers import settle
from bench.wrk import measure
from tests.ports import free_port

MODEL, CALLS = "resnet50", 16
PRECISIONS = ("exact", "fast", "int8")


def run(run: Run) -> dict[str, Any]:
    """For each precision: the hub's rate, the loop's, and their ratio."""
    rows = []
    with hubs.running(run.shared) as hub:
        hub.ensure_resnet50()
        for precision in PRECISIONS:
            hub.sign_in()
            post = hubs.photograph_post(hub, MODEL)
            variant = hub.serve(MODEL, precision, post)
            settle(post)
            served = measure(post, CALLS, run.seconds).rate
            looped = _looped(run)
            row = {"precision": precision, "variant": variant, "hub": served, "loop": looped}
            rows.append({**row, "ratio": round(served / looped, 3)})
    return {"rows": rows}


def _looped(run: Run) -> float:
    """The loop in a process of its own, while the hub has nothing to do."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.bare_loop", MODEL, str(CALLS), str(run.seconds)],
        cwd=ROOT,
        env=hubs.environ(run.shared, free_port()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return round(float(done.stdout.splitlines()[-1]), 2)


def report(found: dict[str, Any]) -> str:
    """The table, in Markdown."""
    keys = ("precision", "variant", "hub", "loop", "ratio")
    head = ("precision", "serves", "hub, images/s", "bare loop, images/s", "ratio")
    rows = [[row[key] for key in keys] for row in found["rows"]]
    return f"### The hub beside a bare loop\n\n{table(head, rows)}"


if __name__ == "__main__":
    alone("bare", run, report)
