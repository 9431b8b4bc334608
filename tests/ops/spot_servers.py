"""A provider's metadata and a Kubernetes API server, as far as the handler of notices asks them."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NODE = "node-1"
TOKEN = "a token of the Pod"


@dataclass
class Metadata:
    """What the addresses of a provider answer: `(method, path)` to a status and a text."""

    answers: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: int = 0
    url: str = ""

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Any:
        self.asked += 1
        if any(headers.get(name) != value for name, value in self.headers.items()):
            return 401, "who asks?"
        return self.answers.get((method, path), (404, "there is nothing here"))


@dataclass
class Api:
    """A namespace with Pods on a node. `refusals` are how often the budget of a Pod refuses."""

    pods: list[dict[str, Any]]
    refusals: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    emptied: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Any:
        self.calls.append((method, path))
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, "{}"
        if self.failures:
            self.failures -= 1
            return 500, "{}"
        parts = urlsplit(path)
        if (method, parts.path) == ("PATCH", f"/api/v1/nodes/{NODE}"):
            return self._close(headers, json.loads(body))
        if (method, parts.path) == ("GET", "/api/v1/namespaces/aihub/pods"):
            return self._list(parse_qs(parts.query))
        if method == "POST" and parts.path.endswith("/eviction"):
            return self._evict(parts.path.split("/")[-2], json.loads(body))
        return 403, "{}"

    def _close(self, headers: Mapping[str, str], change: object) -> Any:
        assert headers["Content-Type"] == "application/merge-patch+json"
        assert change == {"spec": {"unschedulable": True}}
        self.closed.set()
        return 200, "{}"

    def _list(self, query: dict[str, list[str]]) -> Any:
        assert query["fieldSelector"] == [f"spec.nodeName={NODE}"]
        key, _, value = query["labelSelector"][0].partition("=")
        found = [p for p in self.pods if p["metadata"]["labels"].get(key) == value]
        return 200, json.dumps({"kind": "PodList", "items": found})

    def _evict(self, name: str, eviction: dict[str, Any]) -> Any:
        assert (eviction["apiVersion"], eviction["kind"]) == ("policy/v1", "Eviction")
        assert eviction["metadata"]["name"] == name
        if self.refusals.get(name, 0):
            self.refusals[name] -= 1
            return 429, "{}"
        found = next(p for p in self.pods if p["metadata"]["name"] == name)
        found["metadata"]["deletionTimestamp"] = "2026-11-27T05:00:00Z"
        if all("deletionTimestamp" in p["metadata"] for p in self.pods if _must_go(p)):
            self.emptied.set()
        return 201, "{}"

    @property
    def evictions(self) -> list[str]:
        """The Pods that were asked to leave, in order, each as often as it was."""
        return [path.split("/")[-2] for method, path in self.calls if method == "POST"]


def pod(name: str, phase: str = "Running", app: str = "aihub") -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": app}
    return {"metadata": {"name": name, "labels": labels}, "status": {"phase": phase}}


def _must_go(found: dict[str, Any]) -> bool:
    is_ours = found["metadata"]["labels"]["app.kubernetes.io/name"] == "aihub"
    return is_ours and found["status"]["phase"] == "Running"


@contextmanager
def serving(answering: Metadata | Api, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Answer on a free port of this machine, whose address is then in `answering.url`."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, text = answering.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = do_PATCH = _answer  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    answering.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
