"""DVC: the `.dvc` files of a version, and versions from what lies in the store already."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import User

from aihub.events import SYSTEM
from aihub.problems import Problem
from registry import dvc
from registry.dvc_pointers import listing_parse, pointer_parse
from registry.models import Blob, ModelVersion, Team, Upload
from registry.models.versions import State
from registry.processing import builtin, pipeline
from registry.refusals import Refused
from registry.selectors.uploads import uploads_of
from registry.services.claiming import uploads_claim
from registry.services.garbage import garbage_collect
from registry.services.pointers import content_pointed
from registry.services.uploads import upload_discard
from registry.storage import BlobRef, blob_key, blob_storage
from tests.registry.making import claimed, make_model, publish, use_steps

pytestmark = pytest.mark.django_db
VERSIONS = "/api/v1/models/digits/versions/"
PATH = f"{VERSIONS}1.0.0/dvc/"
Clients = Callable[[User], Any]


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def pushed(content: bytes, suffix: str = "") -> str:
    """Content put straight into the store, as `dvc push` does it; its MD5."""
    md5 = md5_of(content)
    writer = blob_storage().writer(blob_key(md5) + suffix)
    writer.write(content)
    writer.close()
    return md5


def pushed_directory(*entries: dict[str, Any]) -> str:
    """A directory's list put straight into the store; the text of its pointer."""
    md5 = pushed(json.dumps(list(entries), sort_keys=True).encode(), ".dir")
    return pointer(f"{md5}.dir", "bundle")


def pointer(md5: str, path: str = "model.bin", **more: Any) -> str:
    return yaml.safe_dump({"outs": [{"md5": md5, "hash": "md5", "path": path, **more}]})


@pytest.fixture
def contents() -> list[bytes]:
    return [uuid4().bytes, uuid4().bytes * 2]


@pytest.fixture
def ready(alpha: Team, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelVersion]:
    """`ready(content, …)`: a version with these files that was taken to ready."""

    def make(*contents: bytes, version: str = "1.0.0", name: str = "digits") -> ModelVersion:
        use_steps(monkeypatch, checksum=builtin.checksum)
        made = publish(make_model(alpha, name), version, *contents)
        pipeline.process(claimed())
        made.refresh_from_db()
        assert made.state == State.READY
        return made

    return make


@pytest.fixture
def send(developer: User, client_of: Clients, alpha: Team) -> Callable[..., Any]:
    """`send(text)`: publish digits 1.0.0 by a pointer."""

    def post(text: str, user: User | None = None, **fields: Any) -> Any:
        body = {"version": "1.0.0", "team": "alpha", "dvc": text, **fields}
        return client_of(user or developer).post(VERSIONS, body, format="json")

    return post


class TestPointers:
    def test_a_file_has_a_pointer(
        self, ready: Any, viewer: User, client_of: Clients, contents: list[bytes]
    ) -> None:
        ready(contents[0])
        answer = client_of(viewer).get(PATH).json()
        (file,) = answer["files"]
        md5 = md5_of(contents[0])
        text = f"outs:\n- md5: {md5}\n  size: 16\n  hash: md5\n  path: file-0\n"
        quoted = text.replace(md5, f"'{md5}'")  # a sum that could be a number
        assert file["path"] == "file-0.dvc"
        assert file["content"] in (text, quoted)
        assert answer["directory"] is None

    def test_several_files_make_a_directory_whose_list_is_in_the_store(
        self, ready: Any, viewer: User, client_of: Clients, contents: list[bytes]
    ) -> None:
        version = ready(*contents)
        assert version.directory_md5
        key = dvc.directory_key(version.directory_md5)
        listing = b"".join(blob_storage().reader(key))
        assert md5_of(listing) == version.directory_md5
        assert [entry["relpath"] for entry in json.loads(listing)] == ["file-0", "file-1"]
        directory = client_of(viewer).get(PATH).json()["directory"]
        assert directory["path"] == "digits.dvc"
        (out,) = yaml.safe_load(directory["content"])["outs"]
        assert out == {
            "md5": f"{version.directory_md5}.dir",
            "size": sum(map(len, contents)),
            "nfiles": 2,
            "hash": "md5",
            "path": "digits",
        }

    def test_a_version_of_before_gets_its_list_when_it_is_asked_for(
        self, ready: Any, viewer: User, client_of: Clients, contents: list[bytes]
    ) -> None:
        version = ready(*contents)
        key = dvc.directory_key(version.directory_md5)
        blob_storage().discard(key)
        ModelVersion.objects.update(directory_md5="")
        assert client_of(viewer).get(PATH).status_code == 200
        assert blob_storage().has(key, len(b"".join(blob_storage().reader(key))))
        assert Upload.objects.count() == 0

    @pytest.mark.parametrize("query", ["path=file-1", "file=file-1.dvc&format=raw"])
    def test_one_is_had_as_plain_text(
        self, ready: Any, viewer: User, client_of: Clients, contents: list[bytes], query: str
    ) -> None:
        ready(*contents)
        answer = client_of(viewer).get(f"{PATH}?{query}")
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert yaml.safe_load(answer.content)["outs"][0]["path"] == "file-1"
        assert client_of(viewer).get(f"{PATH}?path=other").status_code == 404

    def test_nobody_gets_credentials(
        self, ready: Any, viewer: User, client_of: Clients, contents: list[bytes]
    ) -> None:
        ready(*contents)
        text = client_of(viewer).get(PATH).content.decode()
        for secret in (settings.ENV.AIHUB_S3_SECRET_KEY, settings.SECRET_KEY):
            assert not secret or secret not in text

    def test_a_version_that_is_not_ready_has_none(
        self, alpha: Team, viewer: User, client_of: Clients
    ) -> None:
        publish(make_model(alpha))
        assert client_of(viewer).get(PATH).status_code == 409

    def test_who_may_not_see_it_gets_none(
        self, ready: Any, outsider: User, client_of: Clients, anonymous: Any, contents: list[bytes]
    ) -> None:
        ready(*contents)
        assert client_of(outsider).get(PATH).status_code == 404
        assert anonymous.get(PATH).status_code == 401

    def test_a_sum_that_yaml_could_read_as_a_number_is_quoted(self) -> None:
        md5 = "1234567890123456789012345678e012"
        text = dvc.file_pointer("a", BlobRef("0" * 64, md5, 1)).content
        assert f"md5: '{md5}'" in text

    def test_the_garbage_collection_leaves_the_list_of_a_version(
        self, ready: Any, contents: list[bytes]
    ) -> None:
        version = ready(*contents)
        garbage_collect(principal=SYSTEM)
        blob_storage().reader(dvc.directory_key(version.directory_md5)).close()


class TestPublishing:
    def test_content_in_the_store_becomes_a_version_and_stays_where_it_is(
        self, send: Any, monkeypatch: pytest.MonkeyPatch, contents: list[bytes]
    ) -> None:
        use_steps(monkeypatch, checksum=builtin.checksum)
        md5 = pushed(contents[0])
        assert send(pointer(md5, size=16)).status_code == 202
        pipeline.process(claimed())
        version = ModelVersion.objects.get()
        assert version.state == State.READY
        blob = Blob.objects.get()
        assert (blob.md5, blob.sha256) == (md5, hashlib.sha256(contents[0]).hexdigest())
        assert b"".join(blob_storage().reader(blob.ref.key)) == contents[0]
        assert Upload.objects.count() == 0

    def test_a_directory_becomes_a_version_with_its_files(
        self, send: Any, monkeypatch: pytest.MonkeyPatch, contents: list[bytes]
    ) -> None:
        use_steps(monkeypatch, checksum=builtin.checksum)
        paths = ["a.bin", "folder/b.bin"]
        entries = [
            {"md5": pushed(content), "relpath": path}
            for content, path in zip(contents, paths, strict=True)
        ]
        text = pushed_directory(*entries)
        assert send(text).status_code == 202
        pipeline.process(claimed())
        version = ModelVersion.objects.get()
        assert [file.path for file in version.files.all()] == paths
        assert f"{version.directory_md5}.dir" in text

    def test_several_outs_make_one_version(self, send: Any, contents: list[bytes]) -> None:
        outs = [
            {"md5": pushed(content), "hash": "md5", "path": f"f{number}"}
            for number, content in enumerate(contents)
        ]
        assert send(yaml.safe_dump({"outs": outs})).status_code == 202
        assert [file.path for file in ModelVersion.objects.get().files.all()] == ["f0", "f1"]

    def test_what_is_not_there_is_named(self, send: Any, contents: list[bytes]) -> None:
        md5 = md5_of(contents[0])
        answer = send(pointer(md5))
        assert answer.status_code == 422
        assert md5 in answer.json()["detail"]
        assert "dvc push" in answer.json()["detail"]
        answer = send(pointer(f"{md5}.dir"))
        assert answer.status_code == 422
        assert (ModelVersion.objects.count(), Upload.objects.count()) == (0, 0)

    def test_content_of_a_version_is_there_for_its_readers_alone(
        self, ready: Any, send: Any, outsider: User, contents: list[bytes]
    ) -> None:
        version = ready(*contents, name="hidden")
        hidden = send(pointer(md5_of(contents[0])), outsider, team="beta")
        nowhere = send(pointer(md5_of(b"nowhere")), outsider, team="beta")
        sums = md5_of(contents[0]), md5_of(b"nowhere")
        assert hidden.status_code == nowhere.status_code == 422
        assert hidden.json()["detail"].replace(*sums) == nowhere.json()["detail"]
        listed = send(pointer(f"{version.directory_md5}.dir"), outsider, team="beta")
        assert md5_of(contents[0]) not in listed.json()["detail"]
        assert listed.status_code == 422
        assert Upload.objects.count() == 0
        assert send(pointer(f"{version.directory_md5}.dir")).status_code == 202

    def test_content_that_is_not_what_its_name_says_is_rejected_and_left(
        self, send: Any, monkeypatch: pytest.MonkeyPatch, contents: list[bytes]
    ) -> None:
        use_steps(monkeypatch, checksum=builtin.checksum)
        md5 = md5_of(contents[0])
        writer = blob_storage().writer(blob_key(md5))
        writer.write(contents[1])
        writer.close()
        assert send(pointer(md5, size=16)).status_code == 422  # its size tells at once
        assert send(pointer(md5)).status_code == 202
        pipeline.process(claimed())
        assert ModelVersion.objects.get().state == State.REJECTED
        assert blob_storage().has(blob_key(md5), 32)

    def test_content_removed_meanwhile_is_told(
        self, send: Any, monkeypatch: pytest.MonkeyPatch, contents: list[bytes]
    ) -> None:
        use_steps(monkeypatch, checksum=builtin.checksum)
        md5 = pushed(contents[0])
        assert send(pointer(md5)).status_code == 202
        blob_storage().discard(blob_key(md5))
        pipeline.process(claimed())
        version = ModelVersion.objects.get()
        assert (version.state, "lost" in version.reason) == (State.REJECTED, True)

    def test_a_version_that_exists_leaves_no_upload(
        self, ready: Any, send: Any, contents: list[bytes]
    ) -> None:
        ready(*contents)
        assert send(pointer(md5_of(contents[0]))).status_code == 409
        assert Upload.objects.count() == 0

    def test_what_holds_content_until_it_is_judged_is_nobodys_upload(
        self, contents: list[bytes]
    ) -> None:
        with content_pointed(principal=SYSTEM, text=pointer(pushed(contents[0]))) as uploads:
            assert not uploads_of(SYSTEM).exists()
            with pytest.raises(Problem, match="You have no upload"):
                uploads_claim(SYSTEM, {uploads[0].pk: ""})

    def test_discarding_leaves_what_was_in_the_store_before(self, contents: list[bytes]) -> None:
        md5 = pushed(contents[0])
        with content_pointed(principal=SYSTEM, text=pointer(md5)) as uploads:
            upload_discard(uploads[0])
        assert blob_storage().has(blob_key(md5), 16)

    def test_the_garbage_collection_leaves_content_on_its_way(
        self, send: Any, contents: list[bytes]
    ) -> None:
        from datetime import timedelta

        md5 = pushed(contents[0])
        assert send(pointer(md5)).status_code == 202
        garbage_collect(principal=SYSTEM, foreign_older_than=timedelta(0))
        assert blob_storage().has(blob_key(md5), 16)

    def test_only_who_may_publish_does(
        self, send: Any, viewer: User, anonymous: Any, contents: list[bytes]
    ) -> None:
        text = pointer(pushed(contents[0]))
        assert send(text, viewer).status_code == 403
        assert anonymous.post(VERSIONS, {"dvc": text}, format="json").status_code == 401

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "outs: 1",
            "- 1",
            "[" * 5000,
            "a: &a [1]\nb: *a",
            "!!python/object/apply:os.system [ls]",
            "a: !!bool maybe",
            "a: !!int ''",
            "a: !!float ''",
            "a: !!timestamp today",
            "outs: [{path: 0x" + "f" * 5000 + ", md5: a, hash: md5}]",
            "outs: [{path: a, md5: 0x" + "f" * 5000 + ", hash: md5}]",
            pointer("0" * 32, size=2**63),
            "outs: [{path: a, md5: 1, hash: md5}]",
            "outs:\n- {path: a, size: " + "9" * 5000 + "}",
            pointer("0" * 32, "../a"),
            pointer("0" * 32, "/a"),
            pointer("0" * 32, "a\\b"),
            pointer("0" * 32, "C:a"),
            pointer("0" * 32, "a//b"),
            pointer("0" * 32, "a\x00b"),
            pointer("0" * 32, "a" * 201),
            pointer("0" * 32, hash="md5-dos2unix"),
            pointer("0" * 32, cache=False),
            pointer("0" * 32, push=False),
            pointer("0" * 32, remote="other"),
            pointer("0" * 32, isexec=True),
            pointer("0" * 32, files=[{"relpath": "a"}]),
            pointer("0" * 32, size=-1),
            "x" * 70_000,
        ],
        ids=lambda text: text[:20],
    )
    def test_a_pointer_that_cannot_be_used_is_refused(self, send: Any, text: str) -> None:
        answer = send(text)
        assert answer.status_code == 400, answer.content
        assert Upload.objects.count() == 0


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b"[" * 100_000,
        b'[{"md5": "0", "relpath": "a"}]',
        json.dumps([{"md5": "0" * 32, "relpath": "../a"}]).encode(),
        json.dumps([{"md5": "0" * 32, "relpath": f"{n}"} for n in range(1001)]).encode(),
    ],
    ids=range(8),
)
def test_a_list_of_a_directory_that_cannot_be_used_is_refused(listing: bytes) -> None:
    with pytest.raises(Refused):
        listing_parse(listing)


def test_a_pointer_to_what_is_cached_alone_names_it() -> None:
    (out,) = pointer_parse(pointer("0" * 32, cache=True, desc="x"))
    assert (out.path, out.md5, out.is_directory) == ("model.bin", "0" * 32, False)
