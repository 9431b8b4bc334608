"""The hub's store is a DVC remote: the real dvc pulls versions from it and pushes them to it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cast import PASSWORD
from tests.cli.command import Command
from tests.contract.calls import API, predict_json, published, set_alias, unique
from tests.contract.dvc_repository import Repository
from tests.contract.making import tiny_onnx
from tests.hub import Hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def onnx(folder: Path, say: str) -> Path:
    """A small model whose bytes are its own, called model.onnx."""
    import onnx as library

    folder.mkdir(parents=True, exist_ok=True)
    path = tiny_onnx(folder / "model.onnx")
    model = library.load(str(path))
    model.doc_string = say
    library.save(model, str(path))
    return path


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def dvc_of(hub: Hub, model: str, version: str) -> dict[str, Any]:
    answer = hub.client().get(f"{API}/models/{model}/versions/{version}/dvc/")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_dvc_pushed_becomes_versions(hub: Hub, tmp_path: Path) -> None:
    model, one = unique("pointed"), unique("first")
    published(hub, one, "1.0.0", onnx(tmp_path / "first", one), task="tensor")
    repository = Repository(tmp_path / "repository").begin()
    repository.configure(dvc_of(hub, one, "1.0.0")["remote"], hub.env)
    weights = onnx(repository.folder, model)
    bundle = repository.folder / "bundle"
    onnx(bundle, f"{model}, bundled").with_name("README.md").write_text("cat\ndog\n")
    sums = {path.name: sum_of(path.read_bytes()) for path in bundle.iterdir()}
    repository.dvc("add", "model.onnx", "bundle")

    pointer = (repository.folder / "model.onnx.dvc").read_text()
    path, body = (
        f"{API}/models/{model}/versions/",
        {"version": "1.0.0", "dvc": pointer, "task": "tensor"},
    )
    early = hub.client().post(path, json=body)
    assert early.status_code == 422, early.text
    assert yaml.safe_load(pointer)["outs"][0]["md5"] in early.json()["detail"]

    repository.dvc("push")
    assert hub.client().post(path, json=body).status_code == 202
    found = hub.wait_ready(model, "1.0.0")
    assert sum_of(weights.read_bytes()) == found["files"][0]["sha256"]
    assert dvc_of(hub, model, "1.0.0")["files"] == [{"path": "model.onnx.dvc", "content": pointer}]
    answer = predict_json(hub.client(), model, [[0.5] * 4], version="1.0.0")
    assert answer.status_code == 200, answer.text

    command = Command(hub.url, tmp_path / "work", tmp_path / "config")
    names = ("--url", hub.url, "--username", "admin", "--password-stdin")
    command.good("login", *names, given=PASSWORD + "\n")
    directory = repository.folder / "bundle.dvc"
    command.good("push", model, "2.0.0", "--dvc", directory)
    files = {file["path"]: file["sha256"] for file in hub.wait_ready(model, "2.0.0")["files"]}
    assert files == sums
    outs = yaml.safe_load(dvc_of(hub, model, "2.0.0")["directory"]["content"])["outs"]
    assert outs == [yaml.safe_load(directory.read_text())["outs"][0] | {"path": model}]

    repository.commit("pushed")
    clone = repository.clone("clone")
    clone.configure(dvc_of(hub, model, "1.0.0")["remote"], hub.env)
    clone.dvc("pull")
    assert (clone.folder / "model.onnx").read_bytes() == weights.read_bytes()
    assert (clone.folder / "bundle" / "README.md").read_text() == "cat\ndog\n"


def test_rollback_in_git_and_in_the_hub_lead_to_the_same_bytes(hub: Hub, tmp_path: Path) -> None:
    model, client = unique("rolled"), hub.client()
    repository = Repository(tmp_path / "repository").begin()
    for version in ("1.0.0", "2.0.0"):
        files = onnx(tmp_path / version, version), tmp_path / version / "README.md"
        files[1].write_text(f"cat\n{version}\n")
        published(hub, model, version, *files, task="tensor")
        answer = dvc_of(hub, model, version)
        repository.configure(answer["remote"], hub.env)
        repository.write(answer["directory"])
        repository.write(answer["files"][-1])
        repository.commit(version)
        set_alias(client, model, "production", version)
    repository.dvc("pull")
    newest = (repository.folder / "model.onnx").read_bytes()

    repository.git("checkout", "--quiet", "1.0.0")
    repository.dvc("pull")
    rolled = client.post(f"{API}/models/{model}/aliases/production/rollback/")
    assert rolled.status_code == 200, rolled.text
    version = client.get(f"{API}/models/{model}/aliases/production/").json()["version"]
    download = f"{API}/models/{model}/versions/{version}/download/"
    served = {
        name: client.get(download, params={"path": name}).content
        for name in ("model.onnx", "README.md")
    }
    pulled = {path.name: path.read_bytes() for path in (repository.folder / model).iterdir()}
    assert pulled == served
    assert (repository.folder / "model.onnx").read_bytes() == served["model.onnx"] != newest
    assert "secret" not in json.dumps(dvc_of(hub, model, "1.0.0"))
