"""A large registry, with a year of batch jobs and webhooks, on MariaDB: how long each page takes.

    .venv/bin/python -m bench.registry_scale [--scale S]

1,000 models and 100,000 versions (`bench.registry_rows`), 20,000 batch jobs and 100,000 deliveries
(`bench.registry_jobs`). Every list, search and history page of the API and the console, as a
developer and as an administrator, from the hub's WSGI application: routing, authentication by JWT
or session, queries, serialisation. What a server and a network add is not in it.
"""

import json
import os
import subprocess
import sys
from typing import Any

from bench.places import ROOT
from bench.report import table
from bench.running import Run, alone

MODELS, CALLS = 1000, 100
LIMIT = 100.0  # ms, of the 95th percentile
BUFFER = 512  # MiB that MariaDB keeps of its tables
SECRET = "a secret of the benchmarks, long enough for the hub"


def run(run: Run) -> dict[str, Any]:
    """Queries, median and 95th percentile of each page."""
    from tests.services import running_services

    folder = run.folder / "registry_scale"
    folder.mkdir()
    with running_services(folder) as services:
        _enlarge(services.mysql_port)
        environ = services.environ("scale", 0) | {
            "AIHUB_HOME": str(folder / "home"),
            "AIHUB_SECRET_KEY": SECRET,
        }
        models = str(max(10, round(MODELS * run.scale)))
        command = (sys.executable, "-m", "bench.registry_pages", "--models", models)
        command += ("--calls", str(CALLS))
        clean = {name: value for name, value in os.environ.items() if "AIHUB" not in name}
        done = subprocess.run(
            command, cwd=ROOT, env=clean | environ, stdout=subprocess.PIPE, text=True, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(found: dict[str, Any]) -> str:
    pages = [
        (f"{page['page']} ({page['who']})", page["queries"], page["p50_ms"], page["p95_ms"])
        for page in found["pages"]
    ]
    slow = [page for page in found["pages"] if page["p95_ms"] >= LIMIT]
    worst = max(page["p95_ms"] for page in found["pages"])
    held = f"{len(slow)} pages take longer" if slow else "it holds for all"
    rows = ", ".join(f"{count:,} {name}" for name, count in found["rows"].items())
    return (
        f"### The registry at scale\n\n{rows}.\n\n"
        f"{table(('page', 'queries', 'p50, ms', 'p95, ms'), pages)}\n\n"
        f"The slowest 95th percentile: {worst:.0f} ms; meant are {LIMIT:.0f}, and {held}."
    )


def _enlarge(port: int) -> None:
    """MariaDB's own default, 128 MiB, is for a database that shares its machine."""
    import MySQLdb

    connection = MySQLdb.connect(host="127.0.0.1", port=port, user="root")
    try:
        connection.cursor().execute(f"SET GLOBAL innodb_buffer_pool_size = {BUFFER * 1024 * 1024}")
    finally:
        connection.close()


if __name__ == "__main__":
    alone("registry_scale", run, report)
