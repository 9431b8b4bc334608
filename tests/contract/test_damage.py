"""A running hub whose stored files are changed behind its back, and whose versions come and go."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.calls import API, predict_json, problem_of, published, set_alias, unique
from tests.hub import Hub
from tests.inference.samples import linear_onnx

pytestmark = pytest.mark.slow
WITHIN = 2.0  # seconds until prediction knows of a change
SPOIL = """
import django
django.setup()
from contextlib import closing
from django.conf import settings
from registry.models import Blob, Job
from registry.storage import blob_storage
blob = Blob.objects.get(sha256={sha256!r})
store, key = blob_storage(), blob.ref.key
aside = "uploads/aside"
if {spoil}:
    store.adopt(key, aside)
    store.discard(key)
    with closing(store.writer(key)) as file:
        file.write(bytes(blob.size))
    (settings.HOME / "cache" / "blobs" / blob.sha256[:2] / blob.sha256).unlink(missing_ok=True)
else:
    store.discard(key)
    store.adopt(aside, key)
    store.discard(aside)
    from django.core.management import call_command
    call_command("verify")
    Job.objects.filter(kind="verify-blob", subject_id=blob.pk).delete()
"""


def spoil(hub: Hub, version: dict[str, Any]) -> None:
    """Change the version's file in the store to zeros of the same length."""
    hub.run_python(SPOIL.format(sha256=version["files"][0]["sha256"], spoil=True))


def mend(hub: Hub, version: dict[str, Any]) -> None:
    """Put the file back as it was, and have everything verified."""
    hub.run_python(SPOIL.format(sha256=version["files"][0]["sha256"], spoil=False))


def test_a_changed_file_is_refused_and_what_was_loaded_goes_on(hub: Hub, tmp_path: Path) -> None:
    name, other, client = unique("changed"), unique("untouched"), hub.client()
    good = linear_onnx(tmp_path / "good.onnx", item=(5,), classes=2)
    published(hub, name, "1.0.0", good, task="tensor")
    published(hub, other, "1.0.0", good, task="tensor")
    set_alias(client, name, "production", "1.0.0")
    alike = linear_onnx(tmp_path / "bad.onnx", item=(5,), classes=2, batch="M")  # in other bytes
    bad = published(hub, name, "2.0.0", alike, task="tensor")
    rows = [[1.0, 2.0, 3.0, 4.0, 5.0]]
    assert predict_json(client, name, rows).json()["version"] == "1.0.0"
    spoil(hub, bad)
    try:
        set_alias(client, name, "production", "2.0.0", allow_incompatible=True)
        problem = problem_of(predict_json(client, name, rows, version="2.0.0"), 503)
        assert "changed in the storage" in problem["detail"]
        assert predict_json(client, name, rows).json()["version"] == "1.0.0"
        assert predict_json(client, other, rows).status_code == 200
        assert _shown(client, name, "2.0.0")["damaged"] is True
        assert len(_told(client, name)) == 1
    finally:
        mend(hub, bad)
    assert _shown(client, name, "2.0.0")["damaged"] is False
    hub.wait_until(
        lambda: predict_json(client, name, rows).json().get("version") == "2.0.0",
        "the mended version to serve",
        30,
    )


def test_a_deleted_version_answers_no_more_and_a_restored_one_again(
    hub: Hub, tmp_path: Path
) -> None:
    name, client = unique("trashed"), hub.client()
    published(hub, name, "1.0.0", linear_onnx(tmp_path / "m.onnx"), task="tensor")
    rows = [[1.0, 2.0, 3.0, 4.0]]

    def status() -> int:
        return predict_json(client, name, rows, version="1.0.0").status_code

    assert status() == 200
    assert client.delete(f"{API}/models/{name}/").status_code == 204
    hub.wait_until(lambda: status() == 404, "the version to be gone", WITHIN)
    found = client.get(f"{API}/trash/").json()["results"]
    entry = next(entry for entry in found if entry["model"] == name)
    assert client.post(f"{API}/trash/{entry['id']}/restore/").status_code == 200
    hub.wait_until(lambda: status() == 200, "the version to be back", WITHIN)


def _shown(client: httpx.Client, name: str, version: str) -> dict[str, Any]:
    shown: dict[str, Any] = client.get(f"{API}/models/{name}/versions/{version}/").json()
    return shown


def _told(client: httpx.Client, name: str) -> list[dict[str, Any]]:
    query = {"subject": f"{name}/2.0.0", "action": "version.damaged"}
    found: list[dict[str, Any]] = client.get(f"{API}/audit/", params=query).json()["results"]
    return found
