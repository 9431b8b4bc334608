"""Which rows are part of a backup, read as of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor

from ops.launch.bootstrap import ADMIN
from registry.models import Job
from registry.models.teams import DEFAULT_TEAM
from registry.services.holding import KIND

Migrations = set[tuple[str, str]]

# What is true of running processes and of who is signed in alone. A hub takes no refresh token
# that it does not remember: without these rows none that was given out can be used again.
PASSING = frozenset(
    {"sessions.session", "registry.workerheartbeat", "inference.replica"}
    | {"token_blacklist.blacklistedtoken", "token_blacklist.outstandingtoken"}
)
# What `migrate` makes in an empty database, and `prepare` beside it.
MADE = frozenset(
    {"auth.permission", "contenttypes.contenttype", "django_celery_beat.periodictasks"}
    | {"registry.revision"}
)
PREPARED = {"auth.user": {"username": ADMIN}, "registry.team": {"name": DEFAULT_TEAM}}


def tables() -> Iterator[models.QuerySet]:
    """The rows of each table that is kept."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy and model._meta.label_lower not in PASSING:
            rows = model._base_manager.all()
            yield rows.exclude(kind=KIND) if model is Job else rows


def filled() -> dict[str, int]:
    """The tables that hold anything which an empty hub lacks, and how much."""
    present = set(connection.introspection.table_names())
    counts = {
        rows.model._meta.label: rows.count()
        for rows in map(_own, tables())
        if rows.model._meta.db_table in present and rows.model._meta.label_lower not in MADE
    }
    return {label: count for label, count in counts.items() if count}


def _own(rows: models.QuerySet) -> models.QuerySet:
    """Rows but for those of a hub that nobody has used yet."""
    return rows.exclude(**PREPARED.get(rows.model._meta.label_lower, {"pk__in": []}))


def migrations_applied() -> Migrations:
    """Those of the hub's apps that the database has."""
    loader = MigrationExecutor(connection).loader
    ours = {app for app, _ in loader.disk_migrations}
    return {(app, name) for app, name in loader.applied_migrations if app in ours}


def migrations_known() -> Migrations:
    """Those that this code has."""
    return set(MigrationExecutor(connection).loader.disk_migrations)


@contextmanager
def one_moment() -> Iterator[None]:
    """What the block reads is as of one moment, and nobody waits for it."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        else:
            cursor.execute("BEGIN")
            cursor.execute("SELECT COUNT(*) FROM django_migrations")  # SQLite begins when it reads
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
