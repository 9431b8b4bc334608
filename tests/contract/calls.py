"""What a client of the hub does, in the words of the tests."""

import os
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hub import Hub

API = "/api/v1"


def publish(
    client: httpx.Client, model: str, version: str, *files: Path, **fields: str
) -> httpx.Response:
    """Publish a version from these files."""
    parts = [("file", (path.name, path.read_bytes())) for path in files]
    path = f"{API}/models/{model}/versions/"
    return client.post(path, data={"version": version, **fields}, files=parts)


def published(hub: Hub, model: str, version: str, *files: Path, **fields: str) -> dict[str, Any]:
    """The version that was published by the administrator, once it is ready."""
    client = hub.client()
    answer = publish(client, model, version, *files, **fields)
    assert answer.status_code == 202, answer.text
    return hub.wait_ready(model, version)


def set_alias(client: httpx.Client, model: str, alias: str, version: str, **more: Any) -> None:
    said = {"version": version, **more}
    answer = client.put(f"{API}/models/{model}/aliases/{alias}/", json=said)
    assert answer.status_code == 200, answer.text


def predict(
    client: httpx.Client, model: str, *images: Path | bytes, **query: Any
) -> httpx.Response:
    """Call a classifier of images."""
    parts = [
        ("image", ("image", image if isinstance(image, bytes) else image.read_bytes()))
        for image in images
    ]
    return client.post(f"{API}/models/{model}/predict/", params=query, files=parts)


def predict_json(client: httpx.Client, model: str, inputs: Any, **query: Any) -> httpx.Response:
    body = {"inputs": inputs}
    return client.post(f"{API}/models/{model}/predict/", params=query, json=body)


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The document of an error, checked for its shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    assert body["status"] == status
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body


def tables(hub: Hub) -> Mapping[str, Any]:
    """What the hub's tables and its store hold of uploads and of work."""
    return eval(hub.run_python(_TABLES))  # our own script's answer


_TABLES = """
import django
django.setup()
from registry.models import Job, ModelVersion, Upload, VersionFile
from registry.storage import blob_storage
try:
    staged = list(blob_storage().listdir("uploads")[1])
except FileNotFoundError:
    staged = []
own = Upload.objects.filter(owner="", batch_jobs=None)  # of forms; others may stay
kept = {str(pk) for pk in Upload.objects.exclude(pk__in=own).values_list("pk", flat=True)}
print({
    "uploads": own.count(),
    "staged": len({name for name in staged if name} - kept),
    "jobs": Job.objects.filter(state__in=["queued", "running"]).count(),
    "processing": ModelVersion.objects.filter(state="processing").count(),
})
"""
CLEAN = {"uploads": 0, "staged": 0, "jobs": 0, "processing": 0}


def assert_clean(hub: Hub) -> None:
    """Nothing is half done: no upload, no staged bytes, no job, no version in processing."""
    found: dict[str, int] = {}

    def clean() -> bool:
        found.update(tables(hub))
        return found == CLEAN

    with suppress(pytest.fail.Exception):  # what is left says more than that something is
        hub.wait_until(clean, "a clean state", 20)
    assert found == CLEAN


def unique(name: str) -> str:
    """A name for a model that no other test uses."""
    return f"{name}-{os.urandom(4).hex()}"


def begun(hub: Hub, path: str, headers: Mapping[str, str], body: bytes) -> HTTPConnection:
    """A POST of which only so much was sent, whatever length its headers promise."""
    connection = HTTPConnection("127.0.0.1", hub.env.AIHUB_PORT, timeout=30)
    connection.putrequest("POST", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    return connection


def form_head(version: str, boundary: str = "boundary") -> bytes:
    """The beginning of a publication, up to the first byte of its file."""
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    field = f'{part}version"\r\n\r\n{version}\r\n'
    file = f'{part}file"; filename="w.pth"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return (field + file).encode()
