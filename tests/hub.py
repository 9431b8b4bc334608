"""A hub that really runs, as a client sees it: processes of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from aihub import env
from aihub.env import BASE_DIR, Env
from ops.launch.child import Child, tail
from ops.launch.client import API, HubClient
from ops.launch.roles import roles
from tests.cast import PASSWORD
from tests.ports import free_port
from tests.stack import Stack

STARTS_WITHIN = 60.0  # seconds
STOPS_WITHIN = 30.0
PREPARE = """
import django
django.setup()
from django.conf import settings
from ops.launch import bootstrap
from tests import cast
bootstrap.prepare(settings.ENV)
for name in cast.CAST:
    cast.enter(name)
"""

AGE_HEARTBEATS = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from registry.models import WorkerHeartbeat
WorkerHeartbeat.objects.filter(queue="{queue}").update(at=timezone.now() - timedelta(seconds=15))
"""


class Hub:
    """A running hub. Its people are those of `tests.cast`, with the same password."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self.env: Env = env.read(self.environ)
        self.url = f"http://127.0.0.1:{self.env.AIHUB_PORT}"
        self._server_role, self._worker_role, self._batch_role = roles(self.env, self.environ)
        self.server: Child | None = None
        self.worker: Child | None = None
        self.batch_worker: Child | None = None
        self._clients: list[httpx.Client] = []
        self._tokens: dict[str, str] = {}  # a login is slow, as it should be

    def start(self, prepare: str = PREPARE) -> None:
        """Make the database and the people, start the processes, wait until the hub is ready."""
        self.run_python(prepare)
        self.server = Child(self._server_role)
        self.worker = Child(self._worker_role)
        self.batch_worker = Child(self._batch_role)
        with HubClient(self.url, "", "") as client:
            self.wait_until(client.is_ready, "the hub to be ready", STARTS_WITHIN)

    def stop(self) -> None:
        """Stop them and leave no process of theirs."""
        for client in self._clients:
            client.close()
        children = [child for child in (self.server, self.worker, self.batch_worker) if child]
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOPS_WITHIN
        while time.monotonic() < deadline and any(c.ended() is None for c in children):
            time.sleep(0.05)
        for child in children:
            child.kill_and_wait()

    def client(self, user: str = "admin") -> httpx.Client:
        """An HTTP client that is signed in as one of the cast, and closed with the hub."""
        client = self.anonymous()
        if user not in self._tokens:
            login = {"username": user, "password": PASSWORD}
            answer = client.post(f"{API}/auth/token/", json=login)
            answer.raise_for_status()
            self._tokens[user] = answer.json()["access"]
        client.headers["Authorization"] = f"Bearer {self._tokens[user]}"
        return client

    def anonymous(self) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=60)
        self._clients.append(client)
        return client

    def wait_ready(self, model: str, version: str, timeout: float = 60.0) -> dict[str, Any]:
        """The version once it is `ready`; fails if it is rejected."""
        found = self.wait_processed(model, version, timeout)
        assert found["state"] == "ready", found["reason"]
        return found

    def wait_processed(self, model: str, version: str, timeout: float = 60.0) -> dict[str, Any]:
        """The version once it is `ready` or `rejected`."""
        found: dict[str, Any] = {}
        client, path = self.client(), f"{API}/models/{model}/versions/{version}/"

        def processed() -> bool:
            answer = client.get(path)
            answer.raise_for_status()
            found.update(answer.json())
            return found["state"] in ("ready", "rejected")

        self.wait_until(processed, f"{model} {version} to be processed", timeout)
        return found

    def wait_until(self, holds: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Look until it holds; the processes' logs are shown when it never does."""
        deadline, pause = time.monotonic() + timeout, 0.05
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout:g} s for {what}\n{self.logs()}")
            time.sleep(pause)
            pause = min(1.2 * pause, 0.25)  # asking is work for the hub too

    def kill_worker(self) -> None:
        """kill -9 of the worker and its children, as the kernel does when memory runs out."""
        assert self.worker
        self.worker.kill_and_wait()

    def restart_worker(self) -> None:
        self.kill_worker()
        self.worker = Child(self._worker_role)

    def kill_batch_worker(self) -> None:
        assert self.batch_worker
        self.batch_worker.kill_and_wait()

    def restart_batch_worker(self) -> None:
        self.kill_batch_worker()
        self.batch_worker = Child(self._batch_role)

    def age_heartbeats(self, queue: str) -> None:
        """As if fifteen seconds had passed since the last one of the queue's workers."""
        self.run_python(AGE_HEARTBEATS.format(queue=queue))

    def restart_server(self) -> None:
        assert self.server
        self.server.kill_and_wait()
        self.server = Child(self._server_role)
        with HubClient(self.url, "", "") as client:
            self.wait_until(client.is_ready, "the hub to be ready again", STARTS_WITHIN)

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of manage.py in the hub's environment, however it ends."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=4 * STARTS_WITHIN,
            check=False,
        )

    def run_python(self, script: str) -> str:
        """Run a script in the hub's environment, for instance to look at its tables."""
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=BASE_DIR,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=STARTS_WITHIN,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def logs(self) -> str:
        """The end of all logs."""
        parts: list[str] = []
        for role in (self._server_role, self._worker_role, self._batch_role):
            parts += [f"--- {role.name}", *tail(role.log, lines=40)]
        return "\n".join(parts)


def hub_environ(stack: Stack, who: str, **more: str) -> dict[str, str]:
    """The whole environment of a hub of its own on a free port."""
    own = stack.environ(who)
    fixed = {
        "AIHUB_PORT": str(free_port()),
        "AIHUB_GRPC_PORT": str(free_port()),
        "AIHUB_ADMIN_PASSWORD": PASSWORD,
        "AIHUB_LOGIN_FAILURES": "1000",
        "AIHUB_BATCH_NICE": "0",  # or the other runs of tests would hold these up
        "AIHUB_WEBHOOK_PRIVATE": "true",  # the tests' receivers are on this machine
        "AIHUB_PART_SIZE": str(5 * 1024 * 1024),  # the least that S3 takes
        "DJANGO_SETTINGS_MODULE": "aihub.settings",
    }
    kept = {name: value for name, value in os.environ.items() if name not in _HUB_NAMES}
    return kept | own | fixed | more


_HUB_NAMES = frozenset(Env.__dataclass_fields__)


@pytest.fixture(scope="session")
def hub(stack: Stack) -> Iterator[Hub]:
    """One running hub for the whole session; a test must not rely on its being empty."""
    running = Hub(hub_environ(stack, "hub"))
    try:
        running.start()
        yield running
    finally:
        running.stop()
