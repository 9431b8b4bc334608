"""The schema as the last release's code meets it while an upgrade rolls on."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ModelState, ProjectState
from django.utils import timezone

from tests import last_release
from tests.cast import undone
from tests.expanding import broken_by

pytestmark = pytest.mark.django_db
KNOWN = last_release.read()
TABLES = {"thing": {"id": {}, "name": {}, "note": {}}}


def new_migrations() -> Iterator[tuple[migrations.Migration, ProjectState]]:
    """Those that the last release does not have, each with what comes before it."""
    loader = MigrationExecutor(connection).loader
    had = {tuple(key) for key in KNOWN["migrations"]}
    plan = MigrationExecutor(connection).migration_plan(loader.graph.leaf_nodes(), clean_start=True)
    for migration, _ in plan:
        key = (migration.app_label, migration.name)
        if key not in had:
            yield migration, loader.project_state([key], at_end=False)


def test_migrations_since_the_last_release_only_expand() -> None:
    found = [
        reason
        for migration, state in new_migrations()
        for reason in broken_by(migration, state, KNOWN["tables"])
    ]
    assert found == []


def test_no_migration_of_the_last_release_is_gone() -> None:
    now = set(MigrationExecutor(connection).loader.disk_migrations)
    assert {tuple(key) for key in KNOWN["migrations"]} <= now


@pytest.mark.parametrize("table", sorted(KNOWN["tables"]))
@pytest.mark.parametrize("sparse", [False, True], ids=["all", "only what must be given"])
def test_the_last_release_can_insert(table: str, sparse: bool) -> None:
    """With the columns that it knows alone; and with nothing in those that it may leave empty."""
    columns = KNOWN["tables"][table]
    values = {
        name: None if sparse and column["null"] else sample(column)
        for name, column in columns.items()
    }
    quoted = connection.ops.quote_name
    names = ", ".join(map(quoted, values))
    places = ", ".join("%s" for _ in values)
    with undone(), connection.constraint_checks_disabled(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {quoted(table)}")
        cursor.execute(
            f"INSERT INTO {quoted(table)} ({names}) VALUES ({places})", list(values.values())
        )
        cursor.execute(f"SELECT {names} FROM {quoted(table)}")
        assert len(cursor.fetchall()) == 1


def sample(column: dict[str, Any]) -> Any:
    """A value of the column's kind, as long as may be."""
    kind = column["kind"]
    if "Integer" in kind or "Auto" in kind:
        return 1
    return {
        "BooleanField": True,
        "DateTimeField": connection.ops.adapt_datetimefield_value(timezone.now()),
        "UUIDField": models.UUIDField().get_db_prep_value(uuid.uuid4(), connection),
        "JSONField": "{}",
        "FloatField": 0.5,
        "DecimalField": "0.5",
        "BinaryField": b"binary",
    }.get(kind, "x" * (column["size"] or 40))


class TestTheRule:
    """It finds what would break the old code, and lets pass what would not."""

    @pytest.mark.parametrize(
        "operation",
        [
            migrations.AddField("thing", "more", models.CharField(max_length=9, default="")),
            migrations.AddField("thing", "more", models.IntegerField(default=0)),
            migrations.RemoveField("thing", "note"),
            migrations.RenameField("thing", "note", "remark"),
            migrations.RenameModel("Thing", "Matter"),
            migrations.DeleteModel("Thing"),
            migrations.AlterField("thing", "name", models.CharField(max_length=9)),
            migrations.AlterField("thing", "note", models.CharField(max_length=20)),
            migrations.AlterField("thing", "name", models.IntegerField()),
            migrations.AlterField("thing", "name", models.CharField(max_length=20, unique=True)),
            migrations.AlterModelTable("thing", "things"),
            migrations.AlterUniqueTogether("thing", {("name", "note")}),
            migrations.AddConstraint(
                "thing", models.UniqueConstraint(fields=("name",), name="once")
            ),
            migrations.RunSQL("DROP TABLE thing"),
        ],
        ids=lambda operation: str(operation.describe()),
    )
    def test_it_finds(self, operation: Any) -> None:
        assert judged(operation)

    @pytest.mark.parametrize(
        "operation",
        [
            migrations.AddField("thing", "more", models.IntegerField(null=True)),
            migrations.AddField("thing", "more", models.IntegerField(default=0, db_default=0)),
            migrations.RemoveField("thing", "later"),
            migrations.AlterField("thing", "name", models.CharField("the name", max_length=99)),
            migrations.AlterField("thing", "name", models.TextField()),
            migrations.AddIndex("thing", models.Index(fields=("name",), name="named")),
            migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
        ],
        ids=lambda operation: str(operation.describe()),
    )
    def test_it_lets_pass(self, operation: Any) -> None:
        assert judged(operation) == []


def judged(operation: Any) -> list[str]:
    state = ProjectState()
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
        ("note", models.CharField(max_length=20, null=True)),
        ("later", models.IntegerField(db_default=0)),
    ]
    state.add_model(ModelState("tests", "Thing", fields, {"db_table": "thing"}))
    migration = migrations.Migration("0002_of_a_test", "tests")
    migration.operations = [operation]
    return list(broken_by(migration, state, TABLES))
