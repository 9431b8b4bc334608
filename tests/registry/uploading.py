"""What a client does to bring a file to the hub in parts, in the words of the tests."""

import hashlib
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.test import Client

API = "/api/v1/uploads/"
PART = 5 * 1024 * 1024


def begun(client: Any, content: bytes, name: str = "weights.bin", **more: Any) -> dict[str, Any]:
    answer = client.post(API, {"filename": name, "size": len(content), **more})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def urls(client: Any, upload: dict[str, Any], *numbers: int) -> dict[int, str]:
    answer = client.post(f"{API}{upload['id']}/parts/", {"numbers": list(numbers)})
    assert answer.status_code == 200, answer.content
    return {part["number"]: part["url"] for part in answer.json()["parts"]}


def put(url: str, body: bytes) -> Any:
    """PUT to a signed address, of the hub or of the S3 server, without any credentials."""
    if urlsplit(url).hostname != "testserver":
        return httpx.put(url, content=body)
    return Client().put(url, body, content_type="application/octet-stream")


def piece(upload: dict[str, Any], content: bytes, number: int) -> bytes:
    start = (number - 1) * upload["part_size"]
    return content[start : start + upload["part_size"]]


def sent(client: Any, upload: dict[str, Any], content: bytes, *numbers: int) -> dict[int, str]:
    """Send these parts; their tags."""
    tags = {}
    for number, url in urls(client, upload, *numbers).items():
        answer = put(url, piece(upload, content, number))
        assert answer.status_code == 200, answer.content
        tags[number] = answer.headers["ETag"]
    return tags


def complete(client: Any, upload: dict[str, Any], tags: dict[int, str]) -> Any:
    parts = [{"number": number, "etag": tag} for number, tag in tags.items()]
    return client.post(f"{API}{upload['id']}/complete/", {"parts": parts})


def uploaded(client: Any, content: bytes, name: str = "weights.bin", **more: Any) -> str:
    """The id of a completed upload."""
    upload = begun(client, content, name, **more)
    if upload["state"] == "open":
        tags = sent(client, upload, content, *range(1, upload["part_count"] + 1))
        assert complete(client, upload, tags).status_code == 200
    return str(upload["id"])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
