"""Backups: what is refused, what is left alone, and what an interruption leaves."""

import gzip
import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, models
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule
from timezone_field import TimeZoneField

from aihub.events import SYSTEM
from aihub.problems import Problem
from ops.backup.checking import backup_check
from ops.backup.making import backup_make
from ops.backup.manifest import Refused, manifest_read
from ops.backup.place import Place, place_open
from ops.backup.pruning import backups_prune
from ops.backup.restoring import backup_restore
from ops.backup.rows import rows_insert, rows_read, rows_write
from ops.backup.sums import Sums
from ops.backup.tables import filled, one_moment, tables
from ops.identity.tokens import tokens_for, tokens_refresh
from registry.models import Blob, Job, ModelVersion, Team
from registry.models.teams import DEFAULT_TEAM
from registry.services.garbage import garbage_collect
from registry.services.holding import AlreadyHeld, removal_held, removal_is_held
from registry.services.housekeeping import sweep
from registry.storage import Reading, Stored, blob_key, blob_storage
from tests.inference.batch.scheduling import schedule_make
from tests.registry.making import make_model, make_ready, publish, staged

pytestmark = pytest.mark.django_db(transaction=True)
INPUT = "inputs/alpha/rows.csv"
OTHER_KEY = "a key of quite another hub, of which this one knows nothing"


def quiet(said: str) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups of the hub"


@pytest.fixture
def place(folder: Path) -> Place:
    return place_open(str(folder))


@pytest.fixture
def version(place: Place) -> Iterator[ModelVersion]:
    """A hub with something in it, also a schedule; its content is taken out again."""
    team, user = Team.objects.create(name="alpha"), User.objects.create_superuser("somebody")
    made = make_ready(publish(make_model(team), "1.0.0", b"weights of the first", b"labels"))
    schedule_make(team, user)
    for n, content in enumerate((b"weights of the first", b"labels")):
        keep(made, f"file-{n}", content)
    yield made
    empty_storage()


def keep(version: ModelVersion, path: str, content: bytes) -> Blob:
    """Content where processing would have put it."""
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    with closing(blob_storage().writer(blob_key(md5))) as writer:
        writer.write(content)
    blob = Blob.objects.create(md5=md5, sha256=sha256, size=len(content))
    version.files.filter(path=path).update(blob=blob)
    return blob


def empty_storage() -> None:
    for prefix in ("files/", "uploads/", "inputs/"):
        for stored in list(blob_storage().listing(prefix)):
            blob_storage().discard(stored.key)


def empty_hub() -> None:
    """As if this were another one, in which nothing has happened."""
    call_command("flush", interactive=False, verbosity=0)
    empty_storage()


def keys() -> set[str]:
    return {stored.key for stored in blob_storage().listing("files/")}


def test_what_was_made_comes_back(version: ModelVersion, place: Place) -> None:
    made = backup_make(place, quiet)
    before, stored = rows_of(ModelVersion), keys()
    empty_hub()
    backup_restore(place, made, quiet)
    assert rows_of(ModelVersion) == before
    assert keys() == stored
    with closing(blob_storage().reader(Blob.objects.get(size=6).ref.key)) as reading:
        assert b"".join(reading) == b"labels"


def test_a_schedule_comes_back(version: ModelVersion, place: Place) -> None:
    before = list(CrontabSchedule.objects.values())
    made = backup_make(place, quiet)
    empty_hub()
    backup_restore(place, made, quiet)
    assert list(CrontabSchedule.objects.values()) == before != []


def test_rows_of_every_table_come_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    with connection.constraint_checks_disabled():
        for rows in tables():
            rows._raw_delete(using="default")
            rows.model._base_manager.bulk_create([row_of(rows.model)])
            before = list(rows.values())
            assert rows_write(rows, path) == 1
            rows._raw_delete(using="default")
            rows_insert(rows.model, rows_read(path))
            assert list(rows.values()) == before
            rows._raw_delete(using="default")


def row_of(model: type[models.Model]) -> models.Model:
    """One with something in each column."""
    return model(**{field.attname: value_of(field) for field in model._meta.concrete_fields})


def value_of(field: Any) -> Any:
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if field.has_default() and field.get_default():
        return field.get_default()
    values: dict[type, Any] = {
        models.DateTimeField: timezone.now(),
        models.UUIDField: uuid.uuid4(),
        models.JSONField: {"a": [1, None, "好"]},
        models.BinaryField: b"\xff\x00",
        TimeZoneField: ZoneInfo("Asia/Shanghai"),
        models.GenericIPAddressField: "::1",
        models.CharField: field.choices[-1][0] if field.choices else "x",
        models.TextField: "x",
    }
    return next((value for kind, value in values.items() if isinstance(field, kind)), 1)


def test_no_refresh_token_is_kept_or_taken_after_a_restore(
    version: ModelVersion, place: Place, folder: Path
) -> None:
    user = User.objects.get(username="somebody")
    used, unused = (tokens_for(user)["refresh"] for _ in range(2))
    made = backup_make(place, quiet)
    later = tokens_refresh(used)["refresh"]
    assert not list(folder.rglob("*token_blacklist*"))
    empty_hub()
    meanwhile = tokens_for(User.objects.create_superuser("admin"))["refresh"]
    backup_restore(place, made, quiet)
    for token in (used, unused, later, meanwhile):
        with pytest.raises(Problem):
            tokens_refresh(token)
    assert tokens_refresh(tokens_for(User.objects.get(username="somebody"))["refresh"])


def test_a_backup_again_copies_only_what_is_new(version: ModelVersion, place: Place) -> None:
    said: list[str] = []
    backup_make(place, said.append)
    keep(version, "file-9", b"something new")
    backup_make(place, said.append)
    assert said[-1].endswith("; 1 of them were not there yet")


@pytest.mark.parametrize("settled", [True, False])
def test_what_has_no_row_is_read_again_only_where_it_may_have_changed(
    version: ModelVersion, place: Place, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    if settled:
        monkeypatch.setattr("ops.backup.sums.SETTLED", timedelta(minutes=-5))
    put_input(b"rows of today")
    backup_make(place, quiet)
    read: list[str] = []
    reader = type(blob_storage()).reader

    def told(storage: Any, key: str) -> Reading:
        read.append(key)
        return reader(storage, key)

    monkeypatch.setattr(type(blob_storage()), "reader", told)
    backup_make(place, quiet)
    assert (INPUT in read) is not settled


def test_what_was_written_over_is_kept_as_it_is_now(
    version: ModelVersion, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.backup.sums.SETTLED", timedelta(minutes=-5))
    for content in (b"rows of today", b"rows of tomorrow"):
        put_input(content)
        made = backup_make(place, quiet)
    empty_hub()
    backup_restore(place, made, quiet)
    with closing(blob_storage().reader(INPUT)) as reading:
        assert b"".join(reading) == b"rows of tomorrow"


def test_a_sum_is_known_only_of_what_has_the_same_size_and_time() -> None:
    now = timezone.now()
    then = Stored(INPUT, 13, now - timedelta(hours=1))
    sums = Sums({INPUT: ("a" * 64, 13, then.modified.isoformat())})
    assert sums.of(then) == "a" * 64
    assert sums.of(replace(then, size=14)) == ""
    assert sums.of(replace(then, modified=then.modified + timedelta(seconds=1))) == ""
    assert sums.of(replace(then, key="inputs/alpha/others.csv")) == ""
    assert sums.modified(replace(then, modified=now)) == ""


def put_input(content: bytes) -> None:
    blob_storage().discard(INPUT)
    with closing(blob_storage().writer(INPUT)) as writer:
        writer.write(content)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("registry.modelversion.jsonl.gz", "registry.modelversion"),
        ("objects.jsonl.gz", "objects.jsonl.gz"),
        ("manifest.json", "manifest"),
        ("objects/", "the content of files/md5/"),
    ],
)
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_backup_is_refused_and_nothing_is_written(
    version: ModelVersion, place: Place, folder: Path, what: str, said: str, how: str
) -> None:
    made = backup_make(place, quiet)
    label = Blob.objects.get(size=6)
    path = next(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and (what in path.name or (what == "objects/" and label.sha256[2:] == path.name))
    )
    spoil(path, how)
    empty_hub()
    with pytest.raises(Refused, match=made.name) as refused:
        backup_restore(place, manifest_read(place, made.name), quiet)
    assert said in str(refused.value) or (what, how) == ("manifest.json", "gone")
    assert filled() == {}
    assert keys() == set()


def spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    path.chmod(0o600)
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def test_a_manifest_that_was_written_anew_is_refused(
    version: ModelVersion, place: Place, folder: Path
) -> None:
    """Whoever can write to the place cannot make a hub of what they like."""
    made = backup_make(place, quiet)
    path = folder / "backups" / made.name / "manifest.json"
    said = json.loads(path.read_text())
    said["backup"]["missing"] = ["files/md5/00/00"]
    path.write_text(json.dumps(said))
    with pytest.raises(Refused, match="was changed"):
        manifest_read(place, made.name)


def test_a_backup_of_another_key_is_taken_only_when_it_is_said(
    version: ModelVersion, place: Place
) -> None:
    with override_settings(SECRET_KEY=OTHER_KEY):
        made = backup_make(place, quiet)
    with pytest.raises(Refused, match="AIHUB_SECRET_KEY_OLD"):
        manifest_read(place, made.name)
    assert manifest_read(place, made.name, trust=True) == made
    with override_settings(SECRET_KEY_FALLBACKS=[OTHER_KEY]):
        assert manifest_read(place, made.name) == made


def test_a_hub_that_has_anything_is_left_alone(version: ModelVersion, place: Place) -> None:
    made = backup_make(place, quiet)
    before = rows_of(ModelVersion)
    with pytest.raises(Refused, match=r"1 of registry\.Team"):
        backup_restore(place, made, quiet)
    assert rows_of(ModelVersion) == before


def test_a_hub_that_was_only_prepared_is_empty(version: ModelVersion, place: Place) -> None:
    made = backup_make(place, quiet)
    teams = list(Team.objects.values("pk", "name"))
    empty_hub()
    User.objects.create_superuser("admin", password="made by the job that migrates")
    Team.objects.create(name=DEFAULT_TEAM)
    backup_restore(place, made, quiet)
    assert list(Team.objects.values("pk", "name")) == teams
    assert [user.username for user in User.objects.all()] == ["somebody"]


def test_a_backup_of_a_newer_hub_is_refused(version: ModelVersion, place: Place) -> None:
    made = backup_make(place, quiet)
    newer = replace(made, migrations=[*made.migrations, ["registry", "9999_of_tomorrow"]])
    empty_hub()
    with pytest.raises(Refused, match="registry.9999_of_tomorrow"):
        backup_restore(place, newer, quiet)


def test_a_backup_of_an_older_hub_needs_a_database_without_tables(
    version: ModelVersion, place: Place
) -> None:
    made = backup_make(place, quiet)
    older = replace(made, migrations=[m for m in made.migrations if m[1] != "0006_webhook_keys"])
    empty_hub()
    with pytest.raises(Refused, match="without any"):
        backup_restore(place, older, quiet)


def test_an_interrupted_backup_is_none_and_the_next_one_uses_what_it_copied(
    version: ModelVersion, place: Place
) -> None:
    with pytest.raises(KeyboardInterrupt):
        backup_make(place, interrupt_at("objects"))
    assert place.backups() == []
    assert len(list(place.listing("objects/"))) > 0
    assert not removal_is_held()
    said: list[str] = []
    assert backup_make(place, said.append).name in place.backups()
    assert said[-1].endswith("; 0 of them were not there yet")


def interrupt_at(word: str) -> Callable[[str], None]:
    def say(said: str) -> None:
        if word in said:
            raise KeyboardInterrupt

    return say


def test_an_interrupted_restore_can_be_begun_again(version: ModelVersion, place: Place) -> None:
    made = backup_make(place, quiet)
    empty_hub()
    with pytest.raises(KeyboardInterrupt):
        backup_restore(place, made, interrupt_at("put into the storage"))
    assert filled() == {}
    backup_restore(place, made, quiet)
    assert ModelVersion.objects.count() == 1


def test_nothing_is_removed_while_a_backup_is_made(
    version: ModelVersion, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = keep(version, "nowhere", b"nothing refers to this")
    Blob.objects.update(created_at=timezone.now() - timedelta(days=9))
    chores: list[str] = []
    monkeypatch.setattr("registry.services.housekeeping.CHORES", [lambda: chores.append("done")])
    seen: list[bool] = []

    def meanwhile(said: str) -> None:
        found = garbage_collect(principal=SYSTEM)
        sweep()
        seen.append(found.blobs == 0 and not found.complete and bool(found.errors))

    made = backup_make(place, meanwhile)
    assert seen == [True, True]
    assert chores == []
    assert unused.ref.key not in made.missing
    sweep()
    assert garbage_collect(principal=SYSTEM).blobs == 1
    assert chores == ["done"]


def test_only_one_backup_is_made_at_a_time(version: ModelVersion, place: Place) -> None:
    with removal_held(), pytest.raises(AlreadyHeld):
        backup_make(place, quiet)
    assert backup_make(place, quiet)
    assert Job.objects.get(kind="backup").state == Job.States.SUCCEEDED


def test_a_hold_ends_with_the_process_that_had_it(version: ModelVersion, place: Place) -> None:
    with removal_held():
        Job.objects.filter(kind="backup").update(lease_expires_at=timezone.now() - timedelta(1))
        assert not removal_is_held()
        assert backup_make(place, quiet)


def lapse() -> None:
    Job.objects.filter(kind="backup").update(lease_expires_at=timezone.now() - timedelta(1))


def test_a_hold_that_lapsed_is_lost_though_nobody_else_took_it(
    version: ModelVersion, place: Place
) -> None:
    def meanwhile(said: str) -> None:
        if "objects" in said:
            lapse()

    with pytest.raises(Refused, match="did not answer in time"):
        backup_make(place, meanwhile)
    assert place.backups() == []


def test_content_that_is_removed_meanwhile_is_no_backup(
    version: ModelVersion, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the hold had lapsed, and the collection run, and the clock gone back."""
    keep(version, "nowhere", b"nothing refers to this")

    def meanwhile(said: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("registry.services.garbage.removal_is_held", lambda: False)
            patch.setattr("registry.services.garbage.removal_allowed", lambda: None)
            garbage_collect(principal=SYSTEM)

    with pytest.raises(Refused, match="did not answer in time"):
        backup_make(place, meanwhile)
    assert place.backups() == []


def test_old_contents_stay_once_another_may_make_a_backup(
    version: ModelVersion, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(version, "nowhere", b"nothing will refer to this")
    backup_make(place, quiet)
    garbage_collect(principal=SYSTEM)
    backup_make(place, quiet)
    before = {stored.key for stored in place.listing("objects/")}
    listing = place.listing

    def late(prefix: str) -> Iterator[Stored]:
        if prefix == "objects/":
            lapse()
        return listing(prefix)

    monkeypatch.setattr(place, "listing", late)
    with pytest.raises(Refused, match="did not answer in time"):
        backups_prune(place, 1)
    assert {stored.key for stored in listing("objects/")} == before


def test_what_was_staged_and_goes_meanwhile_is_not_missed(
    version: ModelVersion, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = staged(b"it becomes content while the backup is made")
    reader = type(blob_storage()).reader

    def gone(storage: Any, key: str) -> Reading:
        if key == upload.key:
            storage.discard(key)
        return reader(storage, key)

    monkeypatch.setattr(type(blob_storage()), "reader", gone)
    assert backup_make(place, quiet).missing == []
    assert upload.key not in {stored.key for stored in blob_storage().listing("uploads/")}


def test_content_that_is_not_there_is_told(version: ModelVersion, place: Place) -> None:
    gone = Blob.objects.get(size=6)
    blob_storage().discard(gone.ref.key)
    assert backup_make(place, quiet).missing == [gone.ref.key]


def test_content_that_is_damaged_is_told_and_not_kept(
    version: ModelVersion, place: Place, tmp_path: Path
) -> None:
    damaged = Blob.objects.get(size=6)
    other = tmp_path / "other"
    other.write_bytes(b"LABELS")
    blob_storage().put(other, damaged.ref.key)
    with pytest.raises(CommandError, match=damaged.ref.key):
        call_command("backup", "create", str(tmp_path / "backups of the hub"))
    assert len(place.backups()) == 1


def test_old_backups_go_with_what_they_alone_needed(version: ModelVersion, place: Place) -> None:
    unused = keep(version, "nowhere", b"nothing will refer to this")
    first = backup_make(place, quiet)
    garbage_collect(principal=SYSTEM)
    second = backup_make(place, quiet)
    assert backups_prune(place, 1) == (1, 1)
    assert place.backups() == [second.name]
    names = {stored.key for stored in place.listing("")}
    assert not [name for name in names if first.name in name or unused.sha256[2:] in name]
    backup_check(place, second)


def test_what_is_written_meanwhile_is_of_the_next_backup(alpha: Team) -> None:
    with one_moment():
        before = Team.objects.count()
        writing = threading.Thread(target=write_a_team)
        writing.start()
        writing.join()
        assert Team.objects.count() == before
    assert Team.objects.count() == before + 1


def write_a_team() -> None:
    Team.objects.create(name="meanwhile")
    connection.close()


def test_values_are_the_same_in_every_database(version: ModelVersion, tmp_path: Path) -> None:
    labels = ["schön", "好", "🙂", None, 1.5, {"a": [True]}, 'quote " \\ \u2028 line']
    ModelVersion.objects.update(labels=labels, description="line\r\nline\t\u2028")
    before = rows_of(ModelVersion)
    path = tmp_path / "rows.jsonl.gz"
    assert rows_write(ModelVersion.everything.all(), path) == 1
    with connection.constraint_checks_disabled():
        ModelVersion.everything.all()._raw_delete(using="default")
        rows_insert(ModelVersion, rows_read(path))
    assert rows_of(ModelVersion) == before
    assert ModelVersion.objects.get().labels == labels


def test_a_table_is_read_page_by_page(alpha: Team, tmp_path: Path) -> None:
    Team.objects.bulk_create(Team(name=f"team-{n}") for n in range(1100))
    path = tmp_path / "rows.jsonl.gz"
    assert rows_write(Team.objects.all(), path) == 1101
    with gzip.open(path, "rt") as file:
        assert len(file.readlines()) == 1102


@pytest.mark.parametrize("where", ["gs://bucket/x", "s3://", "http://host/x"])
def test_a_place_that_is_none_is_refused(where: str) -> None:
    with pytest.raises(CommandError):
        call_command("backup", "list", where)


def test_a_place_without_backups_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no complete backup"):
        call_command("backup", "verify", str(tmp_path))


def rows_of(model: type[ModelVersion]) -> list[dict[str, object]]:
    return list(model._base_manager.order_by("pk").values())
