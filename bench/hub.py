"""The hub, started as its users start it, and asked as they ask it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench import material
from bench.places import PHOTOGRAPH, ROOT
from bench.servers import FORM, JSON, STARTS_WITHIN, stop
from bench.wrk import Post
from ops.launch.demo import LABELS
from tests.ports import free_port

API = "/api/v1"
DEMONSTRATED = "imagenet"  # the model that the hub publishes at its first start
LITE0, LITE1 = "1.0.0", "1.1.0"  # its versions
VERSION = "1.0.0"  # of what is published here
OPTIMISED_WITHIN = 900.0
LEARNED_WITHIN = 60.0  # seconds for a change to be in every answer
_PASSWORD = "benchmarks only"


class Hub:
    """A running hub; what is sent to it goes through its public API."""

    def __init__(self, home: Path, url: str, pid: int) -> None:
        self.home = home
        self.url = url
        self.pid = pid  # of the launcher
        self.http = httpx.Client(base_url=url, timeout=120)

    @property
    def authorization(self) -> str:
        return self.http.headers["Authorization"]

    def sign_in(self) -> None:
        """A token lives for half an hour: take one for each measurement."""
        login = {"username": "admin", "password": _PASSWORD}
        self.http.headers.pop("Authorization", None)
        token = self.call("POST", f"{API}/auth/token/", json=login)["access"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """A success's JSON; RuntimeError with the hub's own words otherwise."""
        answer = self.http.request(method, path, **content)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def version(self, model: str, number: str = VERSION) -> dict[str, Any]:
        return self.call("GET", f"{API}/models/{model}/versions/{number}/")

    def server(self) -> psutil.Process:
        """The process that answers."""
        family = psutil.Process(self.pid).children(recursive=True)
        return next(p for p in family if "aihub.uvicorn_server" in p.cmdline())

    def picture(self, model: str, picture: bytes, version: str = "") -> Post:
        """The request that classifies a picture."""
        query = f"?version={version}" if version else ""
        path = f"{API}/models/{model}/predict/{query}"
        return Post(self.url + path, FORM, material.form(picture), self.authorization)

    def row(self, model: str = "mlp") -> Post:
        """The MLP's request by the Open Inference Protocol."""
        path = f"/v2/models/{model}/infer"
        return Post(self.url + path, JSON, material.protocol_row(), self.authorization)

    def publish(self, model: str, file: Path, fields: Mapping[str, str]) -> None:
        """Publish a version and wait until it is ready."""
        with file.open("rb") as content:
            form = {"version": VERSION, **fields}
            path = f"{API}/models/{model}/versions/"
            self.call("POST", path, data=form, files={"file": (file.name, content)})
        self.wait_ready(model)

    def wait_ready(self, model: str, number: str = VERSION) -> None:
        def ready() -> bool:
            found = self.version(model, number)
            if found["state"] == "rejected":
                raise RuntimeError(f"{model} was rejected: {found['reason']}")
            return bool(found["state"] == "ready")

        wait_until(ready, f"{model} to be ready", OPTIMISED_WITHIN)

    def wait_optimised(self, model: str, number: str = VERSION) -> None:
        def done() -> bool:
            return bool(self.version(model, number)["optimisation"] == "done")

        wait_until(done, f"{model} {number} to be optimised", OPTIMISED_WITHIN)

    def has(self, model: str) -> bool:
        return self._has_version(model, VERSION)

    def serve(self, model: str, precision: str, post: Post, number: str = VERSION) -> str:
        """Set a model's precision, wait until it answers so; the name of the variant that does."""
        self.call("PATCH", f"{API}/models/{model}/", json={"precision": precision})
        self.wait_optimised(model, number)
        time.sleep(2)  # replicas learn of a change within this time
        self.warm(post)
        return self.serving(model, number)

    def serving(self, model: str, number: str = VERSION) -> str:
        """The variant that answers now, as the version tells."""
        variants = self.version(model, number).get("variants") or []
        return next((v["name"] for v in variants if v["serves"]), "reference")

    def warm(self, post: Post) -> None:
        """Ask until there is an answer."""
        headers = {"Content-Type": post.content_type}

        def answers() -> bool:
            return self.http.post(post.url, content=post.body, headers=headers).is_success

        wait_until(answers, f"{post.url} to answer", LEARNED_WITHIN)

    def ensure_resnet50(self) -> None:
        """ResNet-50 is published, with an owner's samples, and optimised."""
        if not self.http.get(f"{API}/models/resnet50/").is_success:
            self.call("POST", f"{API}/models/", json={"name": "resnet50", "task": _PICTURES})
            self._attach_samples("resnet50")
        if not self.has("resnet50"):
            fields = {"architecture": "resnet50", "num_classes": "1000", "task": _PICTURES}
            self.publish("resnet50", material.weights("resnet50"), fields)
        self.wait_optimised("resnet50")

    def ensure_mlp(self) -> None:
        """The MLP is published and optimised."""
        if not self.has("mlp"):
            self.publish("mlp", material.mlp_onnx(), {"task": "tensor"})
        self.wait_optimised("mlp")

    def ensure_demonstration(self, *, optimised: bool) -> None:
        """The two versions that the hub publishes itself are ready, or optimised too."""
        for number in (LITE0, LITE1):
            there = partial(self._has_version, DEMONSTRATED, number)
            wait_until(there, "the demonstration", STARTS_WITHIN)
            self.wait_ready(DEMONSTRATED, number)
            if optimised:
                self.wait_optimised(DEMONSTRATED, number)

    def _has_version(self, model: str, number: str) -> bool:
        return self.http.get(f"{API}/models/{model}/versions/{number}/").is_success

    def _attach_samples(self, model: str) -> None:
        for number, archive in enumerate(material.samples_archives()):
            file = {"file": (f"views-{number}.zip", archive)}
            self.call("POST", f"{API}/models/{model}/samples/", files=file)


_PICTURES = "image-classification"


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Hub]:
    """A hub in `home` (kept afterwards) with its demonstration published; signed in."""
    home.parent.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with home.with_name(f"{home.name}-launcher.txt").open("ab") as log:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "ops.launch"],
            env=environ(home, port, **settings),
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    hub = Hub(home, f"http://127.0.0.1:{port}", launcher.pid)
    try:
        wait_started(hub.url, launcher, home.with_name(f"{home.name}-launcher.txt"))
        hub.sign_in()
        hub.ensure_demonstration(optimised=settings.get("AIHUB_OPTIMISE") != "false")
        yield hub
    finally:
        hub.http.close()
        launcher.send_signal(signal.SIGTERM)
        wait_quietly(launcher)
        stop(launcher)


def environ(home: Path, port: int, **settings: str) -> dict[str, str]:
    """A hub's whole environment: nothing of the person's own hub reaches it."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AIHUB_", "DATABASE_"))}
    own = {"AIHUB_HOME": str(home), "AIHUB_PORT": str(port), "AIHUB_ADMIN_PASSWORD": _PASSWORD}
    return {**kept, **own, "AIHUB_LOG_LEVEL": "INFO", **settings}


def wait_quietly(process: "subprocess.Popen[bytes]", seconds: float = 30.0) -> None:
    """Give a process that was asked to stop the time to do it."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"process {process.pid} does not stop; it is ended", flush=True)


def wait_started(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """RuntimeError with the end of its log when the process ends instead."""

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"it ended: {log.read_text(errors='replace')[-1500:]}")
        return is_ready(url)

    wait_until(ready, f"{url} to be ready", STARTS_WITHIN)


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(holds: Callable[[], bool], what: str, timeout: float) -> None:
    """Look five times a second; RuntimeError when it never holds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {timeout:g} s for {what}")
        time.sleep(0.2)


def photograph_post(hub: Hub, model: str, version: str = "") -> Post:
    """The photograph that all servers classify."""
    return hub.picture(model, PHOTOGRAPH.read_bytes(), version)


def class_named(label: str) -> int:
    """The number of one of ImageNet's classes, as the demonstration labels them."""
    names: list[str] = json.loads(LABELS.read_text())
    return names.index(label)
