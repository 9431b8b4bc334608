"""Batch jobs: beside a bare loop on the same variant and threads, beside MLServer's, and scaling.

    .venv/bin/python -m bench.batch [--scale S] [--folder F]

Counted is the time from when a worker takes a job to when its output is there: planning, trying a
sample, chunks, and joining are in it; sending the input and, as in the loop, loading the model are
not (a small job goes before). Rates are rows a second.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench import batch_scaling, hub as hubs, material
from bench.environments import python_of
from bench.hub import API, Hub
from bench.places import ROOT
from bench.report import table
from bench.running import Run, alone
from bench.servers import PEERS, running
from bench.wrk import measure
from tests.ports import free_port

PICTURES, ROWS, PEER_ROWS = 5000, 10_000_000, 100_000
CHUNKED_ROWS, SMALL_CHUNK = 1_000_000, 10_000
SCALED_PICTURES, WARMING = 800, 64
ROW_GROUP = 100_000
CALLERS = 4
PREFIX = "inputs/bench/"
LASTS = 3600.0  # seconds that a job may take
_GENTLE = {"AIHUB_BATCH_NICE": "0"}  # nobody else is there to yield to; the loop does not either


def run(run: Run) -> dict[str, Any]:
    """Rates and ratios; see the report."""
    found: dict[str, Any] = {}
    with hubs.running(run.shared, **_GENTLE) as hub:
        hub.ensure_resnet50()
        hub.ensure_mlp()
        hub.call("PATCH", f"{API}/models/resnet50/", json={"precision": "fast"})
        found["pictures"] = _pictures(run, hub)
        found["rows"] = _rows(run, hub)
        found["chunks"] = _chunks(run, hub)
        found["peer"] = _peer(run, hub)
    found["workers"] = _workers(run)
    found["beside"] = _beside(run)
    found["scaling"] = batch_scaling.simulated(found)
    return found


# --- inputs ---


def _put(hub: Hub, name: str, file: Path) -> str:
    """Make a file an object of the hub's store; the prefix under which it alone lies."""
    prefix = f"{PREFIX}{name}/"
    place = hub.home / "blobs" / prefix
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    target = place / file.name
    target.unlink(missing_ok=True)
    shutil.copyfile(file, target)
    return prefix


def _numbers(path: Path, rows: int, row_group: int = ROW_GROUP) -> Path:
    """A table of rows of 64 floats, uncompressed as such numbers do not shrink."""
    random = np.random.default_rng(0)
    width = len(material.row())
    schema = pa.schema([("input", pa.list_(pa.float32(), width))])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as out:
        for start in range(0, rows, row_group):
            values = random.standard_normal((min(row_group, rows - start), width), np.float32)
            column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width)
            out.write_table(pa.table({"input": column}), row_group_size=row_group)
    return path


# --- jobs ---


def _job(hub: Hub, model: str, prefix: str, **more: Any) -> dict[str, Any]:
    """Run a job to its end: what the hub says of it, and when its first chunk was there."""
    hub.sign_in()
    said = {"model": model, "input": {"prefix": prefix}, **more}
    job = hub.call("POST", f"{API}/batch-jobs/", json=said)
    first = None
    deadline = time.monotonic() + LASTS
    while job["state"] in ("queued", "running"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"batch job {job['id']} is not over after {LASTS:g} s")
        time.sleep(0.02 if first is None else 1)  # answering takes time of the same processors
        job = hub.call("GET", f"{API}/batch-jobs/{job['id']}/")
        if first is None and job["chunks_done"]:
            first = time.time()
    if job["state"] != "succeeded":
        raise RuntimeError(f"batch job {job['id']}: {job['reason']}")
    began = _seconds(job["started_at"])
    return {
        **job,
        "seconds": _seconds(job["finished_at"]) - began,
        "first_chunk": (first or time.time()) - _seconds(job["created_at"]),
    }


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _looped(run: Run, kind: str, model: str, file: Path, batch: int) -> float:
    """Seconds of the loop, in a process of its own, while the hub has nothing to do."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.batch_loop", kind, model),
            *(str(file), str(run.folder / "looped"), str(batch)),
        ],
        cwd=ROOT,
        env=hubs.environ(run.shared, free_port()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(done.stdout.splitlines()[-1])


def _pictures(run: Run, hub: Hub) -> dict[str, Any]:
    """A zip of JPEGs through ResNet-50."""
    count = max(200, round(PICTURES * run.scale))
    file = material.pictures_zip(count)
    _job(hub, "resnet50", _put(hub, "few", material.pictures_zip(200)))
    job = _job(hub, "resnet50", _put(hub, "pictures", file))
    looped = _looped(run, "pictures", "resnet50", file, job["options"]["batch"])
    return _compared(job, looped, hub.serving("resnet50"))


def _rows(run: Run, hub: Hub) -> dict[str, Any]:
    """Rows of numbers through the MLP, Parquet to Parquet; and what the worker grew by."""
    count = max(1_000_000, round(ROWS * run.scale))
    file = _numbers(run.folder / "rows.parquet", count)
    small = _numbers(run.folder / "some.parquet", 500_000)
    said = {"output_format": "parquet"}
    _job(hub, "mlp", _put(hub, "some", small), **said)
    with Growth(hub) as growth:
        job = _job(hub, "mlp", _put(hub, "rows", file), **said)
    looped = _looped(run, "rows", "mlp", file, job["options"]["batch"])
    compared = _compared(job, looped, hub.serving("mlp"))
    return {**compared, "gigabytes": file.stat().st_size / 1e9, "grew_mib": growth.most}


def _compared(job: dict[str, Any], looped: float, variant: str) -> dict[str, Any]:
    return {
        "rows": job["total"],
        "variant": variant,
        "batch": job["options"]["batch"],
        "chunks": job["chunks"],
        "first_chunk_seconds": round(job["first_chunk"], 2),
        "seconds": round(job["seconds"], 2),
        "loop_seconds": round(looped, 2),
        "output_bytes": job["output"]["size"],
        "ratio": round(looped / job["seconds"], 3),
    }


def _chunks(run: Run, hub: Hub) -> dict[str, Any]:
    """What a chunk costs beside its rows: the same rows in many chunks and in few."""
    count = max(100_000, round(CHUNKED_ROWS * run.scale))
    file = _numbers(run.folder / "chunks.parquet", count, SMALL_CHUNK)
    prefix = _put(hub, "chunks", file)
    said = {"output_format": "parquet", "batch_size": 4096}
    few = _job(hub, "mlp", prefix, chunk_rows=count, **said)
    many = _job(hub, "mlp", prefix, chunk_rows=SMALL_CHUNK, **said)
    extra = (many["seconds"] - few["seconds"]) / (many["chunks"] - few["chunks"])
    return {"chunks": many["chunks"], "overhead_ms": round(1000 * extra, 1)}


# --- others ---


def _peer(run: Run, hub: Hub) -> dict[str, Any]:
    """The same rows by MLServer's batch command, with its defaults and with batches."""
    count = max(2000, round(PEER_ROWS * run.scale))
    file = _numbers(run.folder / "peer.parquet", count)
    job = _job(hub, "mlp", _put(hub, "peer", file), output_format="jsonl")
    requests = _requests(run.folder / "peer.jsonl", file)
    mlserver = next(peer for peer in PEERS if peer.name == "mlserver")
    with running(mlserver, "mlp", run.folder / "mlserver") as url:
        tried = {
            size: _inferred(run, url, requests, size) for size in (1, 64)
        }  # rows that the command puts together
    best = min(tried.values())
    return {
        "rows": count,
        "seconds": round(job["seconds"], 2),
        "mlserver_seconds": {str(size): round(seconds, 2) for size, seconds in tried.items()},
        "ratio": round(best / job["seconds"], 2),
    }


def _requests(path: Path, file: Path) -> Path:
    """A request of the protocol on each line."""
    with path.open("w") as out:
        for row in pq.read_table(file)["input"].to_pylist():
            tensor = {"name": "input", "shape": [1, len(row)], "datatype": "FP32", "data": row}
            out.write(json.dumps({"inputs": [tensor]}) + "\n")
    return path


def _inferred(run: Run, url: str, requests: Path, batch: int) -> float:
    command = (
        *("-c", "from mlserver.cli import main; main()", "infer"),
        *("--url", url.removeprefix("http://"), "--model-name", "model"),
        *("--input-data-path", str(requests), "--output-data-path", str(run.folder / "out.jsonl")),
        *("--workers", "16", "--batch-size", str(batch)),
    )
    started = time.perf_counter()
    done = subprocess.run(
        [str(python_of("mlserver")), *command],
        cwd=run.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"mlserver infer: {done.stderr[-2000:]}")
    return time.perf_counter() - started


def _workers(run: Run) -> dict[str, Any]:
    """The same pictures by one and by two processes, the model single-threaded, in 32 bits."""
    count = max(100, round(SCALED_PICTURES * run.scale))
    file, seconds = material.pictures_zip(count), {}
    for processes in (1, 2):
        settings = {"AIHUB_THREADS": "1", "AIHUB_BATCH_PROCESSES": str(processes), **_GENTLE}
        with hubs.running(run.shared, **settings) as hub:
            hub.call("PATCH", f"{API}/models/resnet50/", json={"precision": "exact"})
            warm = _put(hub, "few", material.pictures_zip(WARMING))
            _job(hub, "resnet50", warm, batch_size=2, chunk_rows=2)  # every process loads the model
            prefix = _put(hub, "scaled", file)
            job = _job(hub, "resnet50", prefix, batch_size=4, chunk_rows=16)
            seconds[processes] = round(job["seconds"], 2)
    return {"rows": count, "seconds": seconds, "ratio": round(seconds[2] / seconds[1], 3)}


def _beside(run: Run) -> dict[str, Any]:
    """Predictions online, alone and beside a batch job that is niced as by default."""
    count = max(400, round(PICTURES * run.scale))
    with hubs.running(run.shared) as hub:
        post = hubs.photograph_post(hub, hubs.DEMONSTRATED)
        hub.warm(post)
        measure(post, CALLERS, 1)
        without = measure(post, CALLERS, run.seconds)
        prefix = _put(hub, "pictures", material.pictures_zip(count))
        said = {"model": "resnet50", "input": {"prefix": prefix}}
        job = hub.call("POST", f"{API}/batch-jobs/", json=said)["id"]
        _wait_rows(hub, job)
        beside = measure(post, CALLERS, run.seconds)
        running_still = hub.call("GET", f"{API}/batch-jobs/{job}/")
        if running_still["state"] != "running":
            raise RuntimeError("the batch job was over too soon to be measured beside")
        hub.call("POST", f"{API}/batch-jobs/{job}/cancel/")
    return {
        "without": {"rate": without.rate, "p50_ms": without.p50_ms, "p99_ms": without.p99_ms},
        "beside": {"rate": beside.rate, "p50_ms": beside.p50_ms, "p99_ms": beside.p99_ms},
        "kept": round(beside.rate / without.rate, 3),
    }


def _wait_rows(hub: Hub, job: int) -> None:
    def begun() -> bool:
        return bool(hub.call("GET", f"{API}/batch-jobs/{job}/")["done"])

    hubs.wait_until(begun, "the batch job to compute", LASTS)


class Growth:
    """What the batch worker's processes grow by, in MiB, while the block lasts."""

    def __init__(self, hub: Hub) -> None:
        self.most = 0.0
        self._processes = _batch_children(hub)
        self._before = [_rss(process) for process in self._processes]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Growth":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopped.wait(0.1):
            for process, before in zip(self._processes, self._before, strict=True):
                with suppress(psutil.NoSuchProcess):
                    grown = (_rss(process) - before) / 2**20
                    self.most = round(max(self.most, grown), 1)


def _rss(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def _batch_children(hub: Hub) -> Sequence[psutil.Process]:
    family = psutil.Process(hub.pid).children(recursive=True)
    lines = [(process, " ".join(process.cmdline())) for process in family]
    return [process for process, line in lines if "celery" in line and "batch" in line]


# --- report ---


def report(found: dict[str, Any]) -> str:
    """The tables, in Markdown."""
    pictures, rows, chunks = found["pictures"], found["rows"], found["chunks"]
    peer, workers, beside = found["peer"], found["workers"], found["beside"]
    jobs = [
        _line("JPEGs, ResNet-50", pictures),
        _line("rows of 64 numbers, MLP, Parquet to Parquet", rows),
    ]
    head = ("input", "rows", "variant", "job, s", "bare loop, s", "ratio", "first chunk, s")
    mlserver = peer["mlserver_seconds"]
    return "\n\n".join(
        [
            "### Batch jobs",
            table(head, jobs),
            f"Over {rows['gigabytes']:.1f} GB the worker grew by at most {rows['grew_mib']:.0f} "
            f"MiB. A chunk costs {chunks['overhead_ms']} ms beside its rows.",
            f"{peer['rows']:,} rows of the MLP: {peer['seconds']} s; `mlserver infer` takes "
            f"{mlserver['1']} s, or {mlserver['64']} s with batches of 64: {peer['ratio']} times.",
            f"Two processes take {workers['ratio']} of one's time where the model runs on one "
            f"thread ({workers['rows']} JPEGs, ResNet-50 in 32 bits).",
            f"Online, {CALLERS} callers keep {beside['kept']} of their rate while a job runs "
            f"on the same cores ({beside['without']['p50_ms']} ms at the median alone, "
            f"{beside['beside']['p50_ms']} ms beside it).",
            batch_scaling.report(found["scaling"]),
        ]
    )


def _line(title: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        title,
        row["rows"],
        row["variant"],
        float(row["seconds"]),
        float(row["loop_seconds"]),
        float(row["ratio"]),
        float(row["first_chunk_seconds"]),
    )


if __name__ == "__main__":
    alone("batch", run, report)
