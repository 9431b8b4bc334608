"""Batch jobs as a client makes, watches and fetches them."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.contract.calls import API
from tests.hub import Hub

JOBS = f"{API}/batch-jobs/"
OVER = ("succeeded", "failed", "cancelled")


def start(
    client: httpx.Client, model: str, name: str, content: bytes, **fields: Any
) -> httpx.Response:
    """Make a job over a file that is sent with the form."""
    headers = fields.pop("headers", {})
    data = {"model": model, **fields}
    return client.post(JOBS, data=data, files={"input": (name, content)}, headers=headers)


def started(
    client: httpx.Client, model: str, name: str, content: bytes, **fields: Any
) -> dict[str, Any]:
    answer = start(client, model, name, content, **fields)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def shown(client: httpx.Client, job: int) -> dict[str, Any]:
    answer = client.get(f"{JOBS}{job}/")
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def wait_over(hub: Hub, job: int, timeout: float = 60.0) -> dict[str, Any]:
    """The job once it is over, however it ended."""
    client, found = hub.client(), {}

    def over() -> bool:
        found.update(shown(client, job))
        return found["state"] in OVER

    hub.wait_until(over, f"batch job {job} to be over", timeout)
    return found


def succeeded(hub: Hub, job: int, timeout: float = 60.0) -> dict[str, Any]:
    found = wait_over(hub, job, timeout)
    assert found["state"] == "succeeded", found["reason"]
    return found


def output(client: httpx.Client, job: int) -> bytes:
    answer = client.get(f"{JOBS}{job}/output/", follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return answer.content


def rows(client: httpx.Client, job: int) -> list[dict[str, Any]]:
    """The rows of an output of JSON lines."""
    return [json.loads(line) for line in output(client, job).splitlines()]


def act(client: httpx.Client, job: int, action: str) -> httpx.Response:
    return client.post(f"{JOBS}{job}/{action}/")


def json_lines(values: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def zipped(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()
