"""The peers as running servers: how each is started, and how it is asked."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench import material
from bench.environments import python_of
from bench.places import ROOT
from bench.wrk import Post
from tests.ports import free_port

STARTS_WITHIN = 120.0  # seconds
STOPS_WITHIN = 15.0
FORM = f"multipart/form-data; boundary={material.BOUNDARY}"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server: its environment, its command line after `python`, and its way of being asked."""

    name: str
    title: str
    command: Callable[[int, Path], tuple[str, ...]]
    by_protocol: bool = False  # asked by the Open Inference Protocol

    def picture(self, url: str, picture: bytes) -> Post:
        """The request that classifies a picture."""
        if self.by_protocol:
            body = material.protocol_bytes(picture)
            return Post(f"{url}/v2/models/model/infer", JSON, body)
        return Post(f"{url}/predict", FORM, material.form(picture))

    def row(self, url: str) -> Post:
        """The request that computes the MLP."""
        if self.by_protocol:
            return Post(f"{url}/v2/models/model/infer", JSON, material.protocol_row())
        return Post(f"{url}/predict", JSON, material.plain_row())


def best_class(answer: Any, number: Callable[[str], int] = int) -> int:
    """The best class of a picture, in any server's answer; `number` reads its label."""
    if "outputs" in answer:
        return number(answer["outputs"][0]["data"][0])
    return number(answer["predictions"][0][0]["label"])


def numbers(answer: Any) -> list[float]:
    """The MLP's output, in any server's answer."""
    if "outputs" in answer:
        return list(answer["outputs"][0]["data"])
    return list(answer["predictions"][0])


def _module(name: str) -> Callable[[int, Path], tuple[str, ...]]:
    return lambda port, folder: ("-m", f"bench.peers.{name}")


def _bentoml(port: int, folder: Path) -> tuple[str, ...]:
    service = "bench.peers.bentoml_server:Model"
    at = ("--host", "127.0.0.1", "--port", str(port))
    return ("-m", "bentoml", "serve", service, *at, "--working-dir", str(ROOT))


def _mlserver(port: int, folder: Path) -> tuple[str, ...]:
    """MLServer reads a folder: its own settings, and the model's."""
    spare = {"grpc_port": free_port(), "metrics_port": free_port()}
    # In one process: its workers do not start under this uvloop, and would only add a hop here.
    settings = {"host": "127.0.0.1", "http_port": port, "parallel_workers": 0, **spare}
    model = {"name": "model", "implementation": "bench.peers.mlserver_runtime.Model"}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return ("-c", "from mlserver.cli import main; main()", "start", str(folder))


PEERS = (
    Peer("fastapi", "FastAPI + PyTorch", _module("fastapi_server")),
    Peer("litserve", "LitServe", _module("litserve_server")),
    Peer("ray", "Ray Serve", _module("ray_server")),
    Peer("bentoml", "BentoML", _bentoml),
    Peer("mlserver", "MLServer", _mlserver, by_protocol=True),
)


@contextmanager
def running(peer: Peer, model: str, folder: Path) -> Iterator[str]:
    """The URL of a peer that serves a model, once it answers rightly; stopped afterwards."""
    folder.mkdir(parents=True)
    port = free_port()
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "BENCH_MODEL": model,
        "BENCH_WEIGHTS": str(material.weights(model)),
        "BENCH_PORT": str(port),
        **_SILENT,
    }
    command = [str(python_of(peer.name)), *peer.command(port, folder)]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(peer, model, url, process, folder / "log.txt")
        yield url
    finally:
        stop(process)


_SETTLED = 5  # answers, one after the other
_WRONG = (415, 422, 500)
# Nothing is told to anyone outside, and nothing is drawn on a terminal.
_SILENT = {
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "LITSERVE_DISABLE_VERSION_CHECK": "1",
}


def ask(post: Post) -> Any:
    """The answer to one request; an httpx error where it is none."""
    headers = {"Content-Type": post.content_type}
    if post.authorization:
        headers["Authorization"] = post.authorization
    answer = httpx.post(post.url, content=post.body, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.json()


def settle(post: Post) -> None:
    """Wait until a server has done what earlier callers left behind, and is warm."""
    for _ in range(_SETTLED):
        ask(post)


def _wait(peer: Peer, model: str, url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    post = peer.row(url) if model == "mlp" else peer.picture(url, material.photograph())
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            ask(post)
            return
        except httpx.HTTPError as error:
            if _hopeless(error) or process.poll() is not None or time.monotonic() > deadline:
                end = log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{peer.title} does not answer: {error}\n{end}") from error
        time.sleep(0.25)


def _hopeless(error: httpx.HTTPError) -> bool:
    """A server that is starting does not listen yet, or not know its model; others are wrong."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in _WRONG


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that was started here, with all that it started."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN)
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()
