"""`/api/v1/uploads/…`: files in parts, on the folder and on S3 by the same calls."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from aihub.events import SYSTEM
from ops.keys import key_create
from registry.models import Team, Upload
from registry.parts import FolderParts, part_store
from registry.services import resumable
from registry.storage import blob_storage
from tests.registry.making import make_model
from tests.registry.uploading import (
    API,
    PART,
    begun,
    complete,
    piece,
    put,
    sent,
    sha256,
    uploaded,
    urls,
)

pytestmark = pytest.mark.django_db
CONTENT = os.urandom(PART + 4321)
ClientOf = Callable[[User], Any]


@pytest.fixture(autouse=True)
def small_parts() -> Iterator[None]:
    """Two parts of what would be one."""
    with override_settings(ENV=replace(settings.ENV, AIHUB_PART_SIZE=PART)):
        yield


@pytest.fixture
def client(developer: User, client_of: ClientOf) -> Any:
    return client_of(developer)


def stored(upload: dict[str, Any]) -> bytes:
    return b"".join(blob_storage().reader(f"uploads/{upload['id']}"))


def test_a_file_comes_in_parts(client: Any) -> None:
    upload = begun(client, CONTENT, sha256=sha256(CONTENT).upper())
    assert upload["state"] == "open"
    assert (upload["part_size"], upload["part_count"], upload["parts"]) == (PART, 2, [])
    tags = sent(client, upload, CONTENT, 2, 1)
    answer = complete(client, upload, tags)
    assert answer.status_code == 200
    assert answer.json()["state"] == "complete"
    assert answer.json()["sha256"] == sha256(CONTENT)
    assert stored(upload) == CONTENT


def test_it_tells_what_arrived_to_go_on_from_anywhere(client: Any) -> None:
    upload = begun(client, CONTENT)
    tags = sent(client, upload, CONTENT, 2)
    found = client.get(f"{API}{upload['id']}/").json()
    assert found["parts"] == [{"number": 2, "size": 4321, "etag": tags[2].strip('"')}]
    tags = {part["number"]: part["etag"] for part in found["parts"]}
    tags |= sent(client, upload, CONTENT, 1)
    assert complete(client, upload, tags).status_code == 200
    assert stored(upload) == CONTENT


def test_it_is_completed_by_the_very_list_of_what_arrived(client: Any) -> None:
    upload = begun(client, CONTENT)
    sent(client, upload, CONTENT, 1, 2)
    listed = client.get(f"{API}{upload['id']}/").json()["parts"]
    answer = client.post(f"{API}{upload['id']}/complete/", {"parts": listed}, format="json")
    assert answer.status_code == 200


def test_a_part_may_be_sent_again_as_another(client: Any) -> None:
    upload = begun(client, CONTENT)
    sent(client, upload, bytes(len(CONTENT)), 1)
    tags = sent(client, upload, CONTENT, 1, 2)
    assert complete(client, upload, tags).status_code == 200
    assert stored(upload) == CONTENT


def test_completing_again_changes_nothing(client: Any) -> None:
    upload = begun(client, CONTENT)
    tags = sent(client, upload, CONTENT, 1, 2)
    answers = [complete(client, upload, tags) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


def test_completing_goes_on_where_the_hub_was_killed(client: Any) -> None:
    upload = begun(client, CONTENT)
    tags = sent(client, upload, CONTENT, 1, 2)
    row, store = Upload.objects.get(), part_store()
    store.join(row.key, row.multipart_id, store.arrived(row.key, row.multipart_id))
    assert complete(client, upload, tags).status_code == 200
    assert stored(upload) == CONTENT


def test_parts_that_lack_are_named(client: Any) -> None:
    upload = begun(client, CONTENT)
    answer = complete(client, upload, sent(client, upload, CONTENT, 2))
    assert answer.status_code == 409
    assert answer.json()["errors"] == [{"field": "parts.1", "detail": "It did not arrive."}]
    sent(client, upload, CONTENT, 1)
    answer = complete(client, upload, {2: "x"})
    assert answer.json()["errors"][0]["detail"] == "It arrived, but was not named."


def test_another_tag_is_told_with_what_came(client: Any) -> None:
    upload = begun(client, CONTENT)
    tags = sent(client, upload, CONTENT, 1, 2)
    answer = complete(client, upload, tags | {1: "feed"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "parts.1"
    assert "feed" in error["detail"]
    assert tags[1].strip('"') in error["detail"]
    assert complete(client, upload, tags).status_code == 200


@pytest.mark.parametrize("body", [CONTENT[: PART - 1], CONTENT[: PART + 1], b""], ids=len)
def test_a_part_of_another_length_is_refused(client: Any, body: bytes) -> None:
    upload = begun(client, CONTENT)
    answer = put(urls(client, upload, 1)[1], body)
    assert 400 <= answer.status_code < 500
    assert client.get(f"{API}{upload['id']}/").json()["parts"] == []


def test_an_address_that_was_tampered_with_is_refused(client: Any) -> None:
    upload = begun(client, CONTENT)
    url = urls(client, upload, 1)[1]
    number = "parts/1/" if "parts/1/" in url else "partNumber=1"
    for wrong in (
        url.replace(number, number.replace("1", "2")),
        url.replace("xpires=", "xpires=1"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.split("?")[0] + "?partNumber=1",
    ):
        answer = put(wrong, piece(upload, CONTENT, 1))
        assert 400 <= answer.status_code < 404, wrong
    assert client.get(f"{API}{upload['id']}/").json()["parts"] == []


def test_an_address_expires(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = begun(client, CONTENT)
    store = "registry.parts_folder" if folder() else "registry.parts_s3"
    monkeypatch.setattr(f"{store}.URL_SECONDS", -1 if folder() else 1)
    url = urls(client, upload, 1)[1]
    deadline = timezone.now() + timedelta(seconds=2)
    while timezone.now() < deadline and not folder():
        pass
    assert put(url, piece(upload, CONTENT, 1)).status_code == 403


def folder() -> bool:
    return isinstance(part_store(), FolderParts)


def test_a_part_comes_too_late_once_the_file_is_whole(client: Any) -> None:
    upload = begun(client, CONTENT)
    url = urls(client, upload, 1)[1]
    assert complete(client, upload, sent(client, upload, CONTENT, 1, 2)).status_code == 200
    assert put(url, bytes(PART)).status_code in (404, 409)
    assert stored(upload) == CONTENT
    answer = client.post(f"{API}{upload['id']}/parts/", {"numbers": [1]})
    assert answer.status_code == 409


def test_an_upload_is_broken_off_with_its_parts(client: Any) -> None:
    upload = begun(client, CONTENT)
    url = urls(client, upload, 1)[1]
    sent(client, upload, CONTENT, 2)
    assert client.delete(f"{API}{upload['id']}/").status_code == 204
    assert client.get(f"{API}{upload['id']}/").status_code == 404
    assert put(url, piece(upload, CONTENT, 1)).status_code in (404, 409)
    assert not list(blob_storage().listing(f"uploads/{upload['id']}"))
    later = timezone.now() + timedelta(days=1)
    assert f"uploads/{upload['id']}" not in dict(part_store().begun_before(later))


def test_a_completed_upload_is_removed_with_its_bytes(client: Any) -> None:
    upload = uploaded(client, b"content")
    assert client.delete(f"{API}{upload}/").status_code == 204
    assert not blob_storage().has(f"uploads/{upload}", 7)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filename": "a"},
        {"filename": "a", "size": 0},
        {"filename": "a", "size": -1},
        {"filename": "a", "size": 1.5},
        {"filename": "a", "size": "7"},
        {"filename": "a", "size": True},
        {"filename": "a", "size": 2**63},
        {"filename": "", "size": 1},
        {"filename": "a", "size": 1, "sha256": "abc"},
        {"filename": "a", "size": 1, "sha256": 5},
        {"filename": "a", "size": 1, "sha256": "g" * 64},
        {"filename": "a", "size": 1, "more": 1},
        [],
    ],
)
def test_what_makes_no_upload_is_refused(client: Any, body: Any) -> None:
    assert client.post(API, body).status_code == 400
    assert not Upload.objects.exists()


def test_that_a_file_is_empty_is_said(client: Any) -> None:
    answer = client.post(API, {"filename": "a", "size": 0})
    assert [error["detail"] for error in answer.json()["errors"]] == ["The file is empty."]


@pytest.mark.parametrize(
    "numbers", [[], [0], [3], [1, 1], ["1"], [True], "1", None, list(range(1, 1002))]
)
def test_parts_that_there_are_not_have_no_address(client: Any, numbers: Any) -> None:
    upload = begun(client, CONTENT)
    answer = client.post(f"{API}{upload['id']}/parts/", {"numbers": numbers})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "parts",
    [[], [{}], [{"number": 1}], [{"number": 1, "etag": "a"}] * 2, [{"number": 3, "etag": "a"}]],
)
def test_parts_that_there_are_not_complete_nothing(client: Any, parts: Any) -> None:
    upload = begun(client, CONTENT)
    answer = client.post(f"{API}{upload['id']}/complete/", {"parts": parts})
    assert answer.status_code == 400


def test_a_file_may_be_too_large(client: Any) -> None:
    size = settings.ENV.AIHUB_UPLOAD_MAX + 1
    assert client.post(API, {"filename": "a", "size": size}).status_code == 413


@pytest.mark.parametrize(
    ("size", "part"),
    [(1, PART), (10_000 * PART, PART), (10_000 * PART + 1, PART + 2**20), (2**40, 105 * 2**20)],
)
def test_a_part_grows_so_that_there_are_not_too_many(size: int, part: int) -> None:
    assert resumable.part_size_of(size) == part
    assert -(-size // part) <= 10_000


def test_so_many_uploads_may_be_open(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "OPEN_MAX", 2)
    first = begun(client, b"content")
    begun(client, b"content")
    answer = client.post(API, {"filename": "a", "size": 1})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"]
    client.delete(f"{API}{first['id']}/")
    begun(client, b"content")


def test_the_list_has_ones_own_by_state(client: Any, owner: User, client_of: ClientOf) -> None:
    begun(client_of(owner), b"another's")
    done, there = uploaded(client, b"content"), begun(client, CONTENT)["id"]
    page = client.get(API).json()
    assert [upload["id"] for upload in page["results"]] == [there, done]
    found = client.get(API, {"state": "complete"}).json()["results"]
    assert [upload["id"] for upload in found] == [done]
    assert client.get(API, {"state": "other"}).status_code == 400


@pytest.mark.parametrize(
    ("who", "status"),
    [("owner", 201), ("developer", 201), ("viewer", 201), ("outsider", 201), ("admin", 201)],
)
def test_who_has_a_role_in_a_team_may_upload(
    request: pytest.FixtureRequest, client_of: ClientOf, who: str, status: int
) -> None:
    answer = client_of(request.getfixturevalue(who)).post(API, {"filename": "a", "size": 1})
    assert answer.status_code == status


def test_who_is_in_no_team_uploads_once_a_model_is_shared(client_of: ClientOf, alpha: Team) -> None:
    stranger = client_of(User.objects.create_user("stranger"))
    assert stranger.post(API, {"filename": "a", "size": 1}).status_code == 403
    make_model(alpha, "open", shared=True)
    assert stranger.post(API, {"filename": "a", "size": 1}).status_code == 201


@pytest.mark.parametrize(("actions", "status"), [(["predict"], 201), (["read"], 403)])
def test_a_key_that_only_reads_does_not_upload(
    anonymous: Any, alpha: Team, actions: list[str], status: int
) -> None:
    _, secret = key_create(principal=SYSTEM, team=alpha, name="shop", actions=actions)
    anonymous.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    assert anonymous.post(API, {"filename": "a", "size": 1}).status_code == status


def test_nobody_uploads_unknown(anonymous: Any) -> None:
    assert anonymous.post(API, {"filename": "a", "size": 1}).status_code == 401
    assert anonymous.get(API).status_code == 401


@pytest.mark.parametrize("who", ["owner", "viewer", "outsider", "admin"])
def test_anothers_upload_is_not_there(
    client: Any, request: pytest.FixtureRequest, client_of: ClientOf, who: str
) -> None:
    upload = begun(client, CONTENT)
    other, path = client_of(request.getfixturevalue(who)), f"{API}{upload['id']}/"
    assert other.get(path).status_code == 404
    assert other.delete(path).status_code == 404
    assert other.post(f"{path}parts/", {"numbers": [1]}).status_code == 404
    assert complete(other, upload, {1: "a", 2: "b"}).status_code == 404
    assert client.get(path).status_code == 200


def test_an_expired_upload_is_not_there(client: Any) -> None:
    upload = begun(client, CONTENT)
    url = urls(client, upload, 1)[1]
    Upload.objects.update(expires_at=timezone.now())
    assert client.get(f"{API}{upload['id']}/").status_code == 404
    if folder():
        assert put(url, piece(upload, CONTENT, 1)).status_code == 404


def test_there_is_nothing_at_other_ids(client: Any) -> None:
    assert client.get(f"{API}{uuid4()}/").status_code == 404
    assert client.get(f"{API}nonsense/").status_code == 404


class TestVersions:
    def test_a_version_is_made_of_uploads(self, client: Any, alpha: Team) -> None:
        model = make_model(alpha)
        files = [
            {"upload": uploaded(client, CONTENT, "weights.bin")},
            {"upload": uploaded(client, b"{}", "config.json"), "path": "1_Pooling/config.json"},
        ]
        answer = self.publish(client, files, description="Of uploads.")
        assert answer.status_code == 202, answer.content
        version = model.versions.get()
        assert version.description == "Of uploads."
        assert [(file.path, file.size) for file in version.files.all()] == [
            ("1_Pooling/config.json", 2),
            ("weights.bin", len(CONTENT)),
        ]
        answer = client.delete(f"{API}{files[0]['upload']}/")
        assert answer.status_code == 409

    def test_an_upload_is_used_once(self, client: Any, alpha: Team) -> None:
        make_model(alpha)
        files = [{"upload": uploaded(client, CONTENT)}]
        assert self.publish(client, files).status_code == 202
        answer = self.publish(client, files, version="2.0.0")
        assert answer.status_code == 409
        assert files[0]["upload"] in answer.json()["detail"]

    def test_an_upload_must_be_complete(self, client: Any, alpha: Team) -> None:
        make_model(alpha)
        upload = begun(client, CONTENT)
        answer = self.publish(client, [{"upload": upload["id"]}])
        assert answer.status_code == 409
        assert upload["id"] in answer.json()["detail"]

    def test_anothers_upload_makes_no_version(
        self, client: Any, owner: User, client_of: ClientOf, alpha: Team
    ) -> None:
        make_model(alpha)
        upload = uploaded(client_of(owner), CONTENT)
        answer = self.publish(client, [{"upload": upload}])
        assert answer.status_code == 404
        assert upload in answer.json()["detail"]

    @pytest.mark.parametrize(
        "path",
        [
            *("", "/etc/passwd", "../weights", "a/../b", "a//b", "./a", "a/", "a\\b", "a\nb"),
            *(" a", "a ", "a/ b", "\u202ea", "x" * 256),
        ],
    )
    def test_odd_paths_are_refused(self, client: Any, alpha: Team, path: str) -> None:
        make_model(alpha)
        upload = uploaded(client, CONTENT)
        assert self.publish(client, [{"upload": upload, "path": path}]).status_code == 400

    @pytest.mark.parametrize("paths", [("a", "a"), ("a", "A"), ("a", "a/b"), ("é", "e\u0301")])
    def test_paths_that_meet_are_refused(
        self, client: Any, alpha: Team, paths: tuple[str, str]
    ) -> None:
        make_model(alpha)
        files = [{"upload": uploaded(client, CONTENT), "path": path} for path in paths]
        answer = self.publish(client, files)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "files"

    @pytest.mark.parametrize(
        "files", [None, [], {}, [{}], [{"upload": "x"}], [{"upload": str(uuid4()), "more": 1}]]
    )
    def test_what_names_no_files_is_refused(self, client: Any, alpha: Team, files: Any) -> None:
        make_model(alpha)
        assert self.publish(client, files).status_code == 400

    def test_what_is_no_model_is_refused_at_the_door(self, client: Any, alpha: Team) -> None:
        make_model(alpha)
        page = uploaded(client, b"<!DOCTYPE html>" * 1000, "weights.pth")
        answer = self.publish(client, [{"upload": page}])
        assert answer.status_code == 422, answer.content
        assert client.get(f"{API}{page}/").status_code == 200

    def test_a_viewer_publishes_nothing(
        self, viewer: User, client_of: ClientOf, alpha: Team
    ) -> None:
        make_model(alpha)
        answer = self.publish(client_of(viewer), [{"upload": str(uuid4())}])
        assert answer.status_code == 403

    @staticmethod
    def publish(client: Any, files: Any, version: str = "1.0.0", **fields: Any) -> Any:
        body = {"version": version, "files": files, **fields}
        return client.post("/api/v1/models/digits/versions/", body)
