"""How much memory publishing takes: a model of 1 GB, and what every process of a hub grows by.

    .venv/bin/python bench/publish_memory.py [--size MEGABYTES]

Starts a hub of its own on SQLite and local files, streams a safetensors file to it that is made
while it is sent, and samples every process until the version is processed. Growth is counted in
pages that belong to the process alone (USS): pages of a mapped file are the kernel's cache, which
it drops at need, and are shown apart as RSS. The file fits no architecture, so that the version
ends `rejected` at the step `load`, after all steps that read the whole file.
"""

import argparse
import json
import os
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

MIB = 1024 * 1024
SAMPLE_EVERY = 0.05  # seconds
LIMIT = 100  # MiB that a process may grow by
TENSOR = 64 * MIB  # bytes of each tensor
BOUNDARY = "publish-memory"


@dataclass
class Growth:
    """What a process held when it was first seen, and the most it ever held, in bytes."""

    name: str
    uss: int
    rss: int
    most_uss: int = field(init=False)
    most_rss: int = field(init=False)

    def __post_init__(self) -> None:
        self.most_uss, self.most_rss = self.uss, self.rss

    def see(self, uss: int, rss: int) -> None:
        self.most_uss, self.most_rss = max(self.most_uss, uss), max(self.most_rss, rss)


class Sampler(threading.Thread):
    """Looks at processes and their children until it is stopped."""

    def __init__(self, roots: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.roots = roots
        self.seen: dict[int, Growth] = {}
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(SAMPLE_EVERY):
            self.look()

    def look(self) -> None:
        import psutil

        for name, pid in self.roots.items():
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                try:
                    memory = process.memory_full_info()
                except psutil.Error:
                    continue
                label = name if process.pid == pid else f"{name}, child"
                first = Growth(label, memory.uss, memory.rss)
                self.seen.setdefault(process.pid, first).see(memory.uss, memory.rss)


def safetensors(size: int) -> Iterator[bytes]:
    """A file of about `size` bytes, a piece at a time; its tensors are zeros."""
    count = max(1, size // TENSOR)
    header = {
        f"layer{number}.weight": {
            "dtype": "F32",
            "shape": [TENSOR // 4096, 1024],
            "data_offsets": [number * TENSOR, (number + 1) * TENSOR],
        }
        for number in range(count)
    }
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    yield struct.pack("<Q", len(encoded)) + encoded
    piece = bytes(MIB)
    for _ in range(count * TENSOR // MIB):
        yield piece


def form(version: str, content: Iterator[bytes]) -> Iterator[bytes]:
    """A publication as a form, streamed."""
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    fields = {"version": version, "architecture": "resnet50", "num_classes": "1000"}
    for name, value in fields.items():
        yield f'{part}"{name}"\r\n\r\n{value}\r\n'.encode()
    yield f'{part}"file"; filename="large.safetensors"\r\n\r\n'.encode()
    yield from content
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--size", type=int, default=1024, help="of the model, in MiB")
    size = arguments.parse_args().size * MIB
    with tempfile.TemporaryDirectory(prefix="aihub-bench-") as folder:
        prepare(Path(folder))
        return measure(Path(folder), size)


def prepare(folder: Path) -> None:
    """The settings are read from the environment, before Django is imported."""
    os.chdir(ROOT)
    os.environ["AIHUB_HOME"] = str(folder / "bench")
    os.environ["DJANGO_SETTINGS_MODULE"] = "aihub.settings"
    import django

    django.setup()


def measure(folder: Path, size: int) -> int:
    from tests.hub import Hub, hub_environ
    from tests.stack import Stack

    hub = Hub(hub_environ(Stack("embedded", folder), "hub"))
    try:
        hub.start()
        publish(hub, TENSOR, "0.0.1")  # so that every process has imported what it needs
        sampler = Sampler({"server": pid_of(hub.server), "worker": pid_of(hub.worker)})
        sampler.look()
        sampler.start()
        took = publish(hub, size, "1.0.0")
        sampler.stopped.set()
        sampler.join()
    finally:
        hub.stop()
    return report(sampler, size, *took)


def pid_of(child: object) -> int:
    return int(child.process.pid)  # type: ignore[attr-defined]


def publish(hub: object, size: int, number: str) -> tuple[float, float, str]:
    """Seconds of the upload, seconds of the processing, and how it ended."""
    client = hub.client()  # type: ignore[attr-defined]
    length = sum(map(len, form(number, safetensors(size))))
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(length),
    }
    started = time.monotonic()
    path = "/api/v1/models/large/versions/"
    content = form(number, safetensors(size))
    client.post(path, content=content, headers=headers, timeout=600).raise_for_status()
    uploaded = time.monotonic()
    version = hub.wait_processed("large", number, timeout=600)  # type: ignore[attr-defined]
    done = [step["name"] for step in version["steps"] if step["state"] == "done"]
    ended = f"{version['state']} after {', '.join(done)}"
    return uploaded - started, time.monotonic() - uploaded, ended


def report(sampler: Sampler, size: int, upload: float, processing: float, ended: str) -> int:
    """Print the table; 1 where a process grew by more than it may."""
    print(f"{size / MIB:.0f} MiB published: {upload:.1f} s upload, {processing:.1f} s processing")
    print(f"ended {ended}\n")
    print("| process | before, MiB | most, MiB | growth, MiB | growth with mapped files, MiB |")
    print("|---|---:|---:|---:|---:|")
    worst = 0.0
    for seen in sampler.seen.values():
        growth = (seen.most_uss - seen.uss) / MIB
        worst = max(worst, growth)
        print(
            f"| {seen.name} | {seen.uss / MIB:.0f} | {seen.most_uss / MIB:.0f} "
            f"| {growth:.0f} | {(seen.most_rss - seen.rss) / MIB:.0f} |"
        )
    print(f"\nThe most that a process grew by: {worst:.0f} MiB (at most {LIMIT}).")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
