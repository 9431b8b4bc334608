"""Making a hub of a backup: in an empty database, whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps.registry import Apps
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.graph import MigrationGraph

from ops.backup.checking import backup_check, file_fetched
from ops.backup.manifest import Manifest, Refused
from ops.backup.objects import Progress, objects_restore
from ops.backup.place import Place, WrongSum
from ops.backup.rows import rows_insert, rows_read
from ops.backup.tables import PASSING, Migrations, filled, migrations_applied, migrations_known
from registry.models.revision import revision_bump


def backup_restore(place: Place, manifest: Manifest, say: Progress) -> None:
    """Restore a backup; `Refused`, with nothing written, where it or the hub is not fit for it.

    Content comes first and rows last, in one transaction: what was interrupted can be begun again.
    """
    wanted = {(app, name) for app, name in manifest.migrations}
    _require_empty()
    _require_schema(wanted)
    backup_check(place, manifest)
    say(f"{manifest.name} is whole: {manifest.objects.rows} objects, {manifest.bytes} bytes")
    say(f"{_objects(place, manifest)} objects put into the storage")
    _restore_rows(place, manifest, _schema(wanted))
    say(f"{sum(file.rows for file in manifest.tables.values())} rows restored")
    call_command("migrate", interactive=False, verbosity=0)  # from that version to this one
    revision_bump()


def _require_empty() -> None:
    if found := filled():
        counts = ", ".join(f"{count} of {label}" for label, count in sorted(found.items()))
        raise Refused(
            f"This hub is not empty: its database has rows ({counts}). Restore into a new "
            "database; nothing here removes what is there."
        )


def _require_schema(wanted: Migrations) -> None:
    if unknown := wanted - migrations_known():
        raise Refused(
            "The backup is of a newer version of the hub than this one, which lacks "
            f"{', '.join(sorted('.'.join(one) for one in unknown)[:5])}: restore with that version."
        )
    if migrations_applied() - wanted:
        raise Refused(
            "The backup is of an older version of the hub than this database's tables: restore "
            "into a database without any; they are made as they were, and brought up to date."
        )


def _objects(place: Place, manifest: Manifest) -> int:
    with file_fetched(place, manifest, manifest.objects) as path:
        try:
            return objects_restore(place, path)
        except WrongSum as error:
            raise Refused(f"{manifest.name} changed while it was read: {error}.") from error


def _schema(wanted: Migrations) -> Apps:
    """Bring the database's tables to those of the backup; their models as they were then."""
    executor = MigrationExecutor(connection)
    last = _last(wanted, executor.loader.graph)
    executor.migrate(last)
    return MigrationExecutor(connection).loader.project_state(last).apps


def _last(wanted: Migrations, graph: MigrationGraph) -> list[tuple[str, str]]:
    """The newest of each app."""
    return [
        node
        for node in sorted(wanted)
        if not any(child in wanted and child[0] == node[0] for child in _children(graph, node))
    ]


def _children(graph: MigrationGraph, node: tuple[str, str]) -> set[tuple[str, str]]:
    return {child.key for child in graph.node_map[node].children}


def _restore_rows(place: Place, manifest: Manifest, then: Apps) -> None:
    found = {model._meta.label_lower: model for model in then.get_models(include_auto_created=True)}
    with _any_order(), transaction.atomic():
        for label in {*manifest.tables, *PASSING} & found.keys():
            _clear(found[label])
        for label, file in manifest.tables.items():
            with file_fetched(place, manifest, file) as path:
                rows_insert(found[label], rows_read(path))
        connection.check_constraints()


@contextmanager
def _any_order() -> Iterator[None]:
    """Rows may come before those that they refer to: SQLite looks at the transaction's end."""
    with connection.constraint_checks_disabled():
        yield


def _clear(model: type[models.Model]) -> None:
    """Take out what `migrate` made, and who signed in meanwhile; there was nothing else."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608
