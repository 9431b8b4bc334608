"""Replicas that only predict, beside a running hub; and callers that never stop."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from aihub import env
from ops.launch.child import Child, Role, tail
from ops.launch.roles import server_command
from tests.hub import STARTS_WITHIN, Hub
from tests.ports import free_port


@dataclass
class Replica:
    """A process of the role `infer`."""

    url: str
    child: Child

    def log(self) -> str:
        return "\n".join(tail(self.child.role.log, lines=40))


@contextmanager
def replica(hub: Hub, name: str, **more: str) -> Iterator[Replica]:
    """Another replica on the hub's database and storage, while the block lasts."""
    own = {"AIHUB_PORT": str(free_port()), "AIHUB_GRPC_PORT": "0", "AIHUB_ROLE": "infer"}
    environ = {**hub.environ, **own, **more}
    read = env.read(environ)
    log = hub.env.AIHUB_HOME / "logs" / f"{name}.log"
    child = Child(Role(name, server_command(read), environ, log))
    started = Replica(f"http://127.0.0.1:{read.AIHUB_PORT}", child)
    try:
        hub.wait_until(lambda: _is_ready(started), f"{name} to be ready", STARTS_WITHIN)
        yield started
    finally:
        child.kill_and_wait()


def _is_ready(started: Replica) -> bool:
    try:
        return httpx.get(f"{started.url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class Callers:
    """Threads that call and count: answers by status, and by version those that were good."""

    statuses: Counter[Any] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    stopped: threading.Event = field(default_factory=threading.Event)

    def call(self, url: str, token: str, body: Any) -> None:
        """Until it is stopped."""
        with httpx.Client(headers={"Authorization": token}, timeout=30) as client:
            while not self.stopped.is_set():
                try:
                    answer = client.post(url, json=body)
                except httpx.HTTPError as error:
                    self.statuses[repr(error)] += 1
                    continue
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.versions[answer.json()["version"]] += 1

    @contextmanager
    def calling(self, *urls: str, token: str, body: Any, each: int = 2) -> Iterator["Callers"]:
        """Call while the block lasts, `each` threads an address."""
        threads = [
            threading.Thread(target=self.call, args=(url, token, body))
            for url in urls
            for _ in range(each)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()

    def wait_for_more(self, hub: Hub, count: int = 50) -> None:
        """Until so many further answers came."""
        wanted = self.statuses.total() + count
        hub.wait_until(lambda: self.statuses.total() >= wanted, "further answers", 60)
