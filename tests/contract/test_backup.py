"""A hub is backed up while it runs, and another is made of it that answers the same."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aihub.env import Env
from tests.contract.batching import json_lines, output, started, succeeded
from tests.contract.calls import API, predict_json, published, set_alias, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub, hub_environ
from tests.stack import Stack

pytestmark = pytest.mark.timeout(300)  # a hub is made, and another one of its backup
INPUT = [[1.0, 2.0, 3.0, 4.0]]
READY = "import django\ndjango.setup()\n"
GROWS = "registry.revision"  # on purpose, so that replicas look again


@dataclass(frozen=True)
class Content:
    """What was made in the hub, and what it answered."""

    model: str
    key: str
    job: int
    predicted: Any
    output: bytes


@pytest.fixture(scope="module")
def content(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Content:
    model, client = unique("kept"), hub.client()
    file = tiny_onnx(tmp_path_factory.mktemp("model") / "tiny.onnx")
    for version in ("1.0.0", "1.1.0"):
        published(hub, model, version, file, task="tensor", team="alpha")
        set_alias(client, model, "production", version, comment="schön 好 🙂")
    asked = {"name": model, "team": "alpha", "actions": ["predict"]}
    made = hub.client("owner").post(f"{API}/api-keys/", json=asked)
    job = started(client, model, "rows.jsonl", json_lines([[1, 2, 3, 4], "no row"]))["id"]
    succeeded(hub, job)
    predicted = predict_json(client, model, INPUT)
    assert predicted.status_code == 200, predicted.text
    return Content(
        model,
        made.json()["key"],
        job,
        predicted.json()["predictions"],
        output(client, job),
    )


@pytest.fixture(scope="module")
def place(hub: Hub, content: Content, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the hub was backed up to: a folder, or a bucket where it has one."""
    folder = str(tmp_path_factory.mktemp("backups"))
    place = f"s3://{hub.env.AIHUB_S3_BUCKET}/kept/here" if hub.env.AIHUB_S3_ENDPOINT else folder
    done = hub.manage("backup", "create", place)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def between(stack: Stack, hub: Hub, place: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a laptop's hub, which was made of the backup, was backed up to.

    So that rows go from one kind of database to another and back, where there are two.
    """
    theirs = {name: "" for name in hub.environ if name in Env.__dataclass_fields__}
    home = {
        "AIHUB_HOME": str(stack.folder / "laptop"),
        "AIHUB_SECRET_KEY": hub.environ["AIHUB_SECRET_KEY"],
    }
    kept_at = {
        name.replace("AIHUB_", "AIHUB_BACKUP_"): value
        for name, value in hub.environ.items()
        if name in ("AIHUB_S3_ENDPOINT", "AIHUB_S3_ACCESS_KEY", "AIHUB_S3_SECRET_KEY")
    }
    laptop = Hub(hub.environ | theirs | home | kept_at)
    folder = str(tmp_path_factory.mktemp("between"))
    for arguments in (("restore", place), ("create", folder)):
        done = laptop.manage("backup", *arguments)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def restored(stack: Stack, between: str) -> Iterator[Hub]:
    """An empty hub, of which the backup of the laptop's was made."""
    made = Hub(hub_environ(stack, "restored"))
    done = made.manage("backup", "restore", between)
    assert done.returncode == 0, done.stderr
    try:
        yield made
    finally:
        made.stop()


def test_every_table_is_the_same_and_the_hub_answers_the_same(
    hub: Hub, content: Content, place: str, restored: Hub, tmp_path: Path
) -> None:
    again = restored.manage("backup", "create", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    fetch_backup(restored, place, tmp_path / "before")
    before, after = tables(tmp_path / "before"), tables(tmp_path / "again")
    assert before.keys() == after.keys()
    differing = {label for label in before if before[label] != after[label]}
    assert differing <= {GROWS}

    restored.start(READY)
    client = restored.client()
    answer = predict_json(client, content.model, INPUT)
    assert (answer.status_code, answer.json()["predictions"]) == (200, content.predicted)
    assert answer.json()["version"] == "1.1.0"
    assert output(client, content.job) == content.output
    program = restored.anonymous()
    program.headers["Authorization"] = f"Api-Key {content.key}"
    assert predict_json(program, content.model, INPUT).json()["predictions"] == content.predicted
    mine = f"{API}/models/{content.model}/"
    for path in (f"{mine}aliases/production/history/", f"{mine}versions/1.0.0/manifest/"):
        here, there = client.get(path).json(), hub.client().get(path).json()
        assert here == there
    assert client.get(f"{mine}versions/1.0.0/manifest/").json()["valid"] is True


def test_a_hub_that_is_not_empty_is_left_alone(hub: Hub, place: str) -> None:
    done = hub.manage("backup", "restore", place)
    assert done.returncode == 1
    assert "not empty" in done.stderr


def test_a_second_backup_copies_only_what_is_new(hub: Hub, place: str) -> None:
    done = hub.manage("backup", "create", place, "--keep", "1")
    assert done.returncode == 0, done.stderr
    assert "removed 1 old backups" in done.stdout
    assert hub.manage("backup", "verify", place).returncode == 0


def fetch_backup(hub: Hub, place: str, folder: Path) -> None:
    """The tables of the newest backup of a place, as files of a folder."""
    hub.run_python(f"""
import django
django.setup()
from contextlib import closing
from pathlib import Path
from ops.backup.place import place_open
place, folder = place_open({place!r}), Path({str(folder)!r})
for stored in place.listing("backups/"):
    path = folder / stored.key
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(place.reader(stored.key)) as reading:
        path.write_bytes(b"".join(reading))
""")


def tables(folder: Path) -> dict[str, list[Any]]:
    """The rows of a backup, by table; its columns first."""
    (newest,) = (folder / "backups").iterdir()
    return {
        path.name.removesuffix(".jsonl.gz"): [
            json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8", newline="\n")
        ]
        for path in (newest / "tables").iterdir()
    }
