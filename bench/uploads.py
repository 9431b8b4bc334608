"""Large files to the S3 server: memory of the hub, throughput beside boto3, resuming after a kill.

    .venv/bin/python bench/uploads.py [--size MEGABYTES]

Starts MariaDB, Redis and an S3 server of its own and a hub on them, makes a file of random bytes,
and sends it by boto3's `upload_file` with its default settings and by `aihub push`, in turns;
compared is the time of sending, without the sum that `aihub push` takes of the file beforehand.
Then the command, without options, is killed with kill -9 at half, and the bytes are counted that it
sends again. Every process of the hub is sampled all the while (RSS, mapped files included).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.publish_memory import MIB, Sampler, pid_of, prepare  # noqa: E402

LIMIT = 64  # MiB that a process may grow by
RATIO = 0.8  # of boto3's throughput
PART = 16 * MIB  # as the hub's settings have it
ROUNDS = 2  # of each, in turns; the best counts
API = "/api/v1"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--size", type=int, default=4096, help="of the file, in MiB")
    size = arguments.parse_args().size * MIB
    with tempfile.TemporaryDirectory(prefix="aihub-bench-") as name:
        folder = Path(name)
        prepare(folder)
        with running(folder) as (hub, services):
            result = measure(hub, services, folder, size)
    (ROOT / "bench" / "results" / "uploads.json").write_text(json.dumps(result, indent=1) + "\n")
    return report(result)


@contextmanager
def running(folder: Path) -> Iterator[tuple[Any, Any]]:
    """A hub on services of its own."""
    from tests.hub import Hub, hub_environ
    from tests.services import running_services
    from tests.stack import Stack

    with running_services(folder / "services") as services:
        hub = Hub(hub_environ(Stack("services", folder, services), "bench"))
        try:
            hub.start()
            yield hub, services
        finally:
            hub.stop()


def measure(hub: Any, services: Any, folder: Path, size: int) -> dict[str, Any]:
    client = Client(hub, folder)
    client.push(file_of(folder / "small.bin", 64 * MIB))  # every process has imported what it needs
    file = file_of(folder / "weights.bin", size)
    sampler = Sampler({"server": pid_of(hub.server), "worker": pid_of(hub.worker)})
    sampler.look()
    sampler.start()
    rounds = [(by_boto3(hub, file), client.push(changed(file))) for _ in range(ROUNDS)]
    sampler.stopped.set()
    sampler.join()
    growth = {
        f"{seen.name} {pid}": [seen.rss, seen.most_rss, seen.uss, seen.most_uss]
        for pid, seen in sampler.seen.items()
    }
    return {
        "size": size,
        "boto3": [seconds for seconds, _ in rounds],
        "hub": [pushed for _, pushed in rounds],
        "growth": growth,
        "resume": client.push_killed(changed(file)),
    }


def file_of(path: Path, size: int) -> Path:
    """Random bytes, others each time."""
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return path


def changed(file: Path) -> Path:
    """Other content, which the hub does not have already."""
    with file.open("r+b") as opened:
        opened.write(os.urandom(MIB))
    return file


def by_boto3(hub: Any, file: Path) -> float:
    """Seconds of boto3's own multipart upload."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=hub.env.AIHUB_S3_ENDPOINT,
        aws_access_key_id=hub.env.AIHUB_S3_ACCESS_KEY,
        aws_secret_access_key=hub.env.AIHUB_S3_SECRET_KEY,
        region_name=hub.env.AIHUB_S3_REGION,
    )
    started = time.monotonic()
    client.upload_file(str(file), hub.env.AIHUB_S3_BUCKET, "bench/boto3")
    took = time.monotonic() - started
    client.delete_object(Bucket=hub.env.AIHUB_S3_BUCKET, Key="bench/boto3")
    return took


class Client:
    """Who runs `aihub push`, with an API key of the administrator's."""

    def __init__(self, hub: Any, folder: Path) -> None:
        self.hub, self.folder, self.number = hub, folder, 0
        body = {"name": "bench", "actions": ["read", "publish"]}
        answer = hub.client().post(f"{API}/api-keys/", json=body)
        answer.raise_for_status()
        self.http = hub.anonymous()
        self.http.headers["Authorization"] = f"Api-Key {answer.json()['key']}"
        kept = {n: v for n, v in os.environ.items() if not n.startswith("AIHUB_")}
        self.environ = kept | {
            "AIHUB_URL": hub.url,
            "AIHUB_API_KEY": answer.json()["key"],
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def push(self, file: Path) -> dict[str, float]:
        """Seconds of the whole command, and from the moment on at which its upload was begun
        (before, it takes the file's sum). Then the hub is let alone until it has read the file."""
        self.number += 1
        started, process = time.time(), self._begun(file)
        while (upload := self._open()) is None and process.poll() is None:
            time.sleep(0.05)
        begun = _moment(upload["created_at"]) if upload else started
        sent = self._ended(process)["uploads"][0]
        ended = time.time()
        self.hub.wait_processed("bench", f"1.{self.number}.0", timeout=900)
        return {"whole": ended - started, "sending": ended - begun, "bytes": sent["bytes_sent"]}

    def push_killed(self, file: Path) -> dict[str, int]:
        """kill -9 at half; all bytes of parts that left both commands, counted between them and
        the store, and those beyond the file's size: they were sent again."""
        from tests.cli.relay import relaying

        self.number += 1
        size = file.stat().st_size
        with relaying() as relay:
            # Where a part stands half-sent: at a part's end nothing at all would be sent again.
            relay.hold_sent_at = size // 2 + PART // 2
            process = self._begun(file, **relay.environ)
            if not relay.held.wait(300):
                raise RuntimeError("half of the file was never sent")
            process.kill()
            process.wait()
            relay.hold_sent_at = float("inf")
            relay.released.set()
            self._ended(self._begun(file, **relay.environ))
        return {"sent": relay.sent, "again": relay.sent - size}

    def _begun(self, file: Path, **environ: str) -> "subprocess.Popen[bytes]":
        command = (
            *(sys.executable, "-m", "aihub.cli", "push", "bench", f"1.{self.number}.0", str(file)),
            *("--json", "--no-wait"),
        )
        with (self.folder / "said.json").open("wb") as out:
            return subprocess.Popen(command, cwd=ROOT, env=self.environ | environ, stdout=out)

    def _ended(self, process: "subprocess.Popen[bytes]") -> Any:
        said = self.folder / "said.json"
        if process.wait():
            raise RuntimeError(f"aihub push ended with {process.returncode}: {said.read_text()}")
        return json.loads(said.read_text())

    def _open(self) -> dict[str, Any] | None:
        found = self.http.get(f"{API}/uploads/", params={"state": "open"}).json()["results"]
        return found[0] if found else None


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def report(result: dict[str, Any]) -> int:
    """Print the tables; 1 where a promise is not kept."""
    size = result["size"] / MIB
    boto3, ours = min(result["boto3"]), min(pushed["sending"] for pushed in result["hub"])
    ratio = boto3 / ours
    print(f"{size:.0f} MiB, MiB/s in each round:")
    print("  boto3 upload_file:", ", ".join(f"{size / took:.0f}" for took in result["boto3"]))
    for name in ("sending", "whole"):
        rates = ", ".join(f"{size / pushed[name]:.0f}" for pushed in result["hub"])
        print(f"  aihub push, {name}: {rates}")
    print(f"  sending at {ratio:.2f} of boto3 (at least {RATIO})\n")
    print("| process | RSS before, MiB | most, MiB | growth, MiB |\n|---|---:|---:|---:|")
    worst = 0.0
    for name, (rss, most, _, _) in result["growth"].items():
        worst = max(worst, (most - rss) / MIB)
        print(f"| {name} | {rss / MIB:.0f} | {most / MIB:.0f} | {(most - rss) / MIB:.0f} |")
    print(f"\nThe most that a process grew by: {worst:.0f} MiB (at most {LIMIT}).")
    again = result["resume"]["again"]
    print(f"Killed at half: {again / PART:.2f} parts were sent again (at most 1).")
    return int(ratio < RATIO or worst > LIMIT or again > PART)


if __name__ == "__main__":
    sys.exit(main())
