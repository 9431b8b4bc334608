"""The database: answers, has a version and settings that the hub was tested with, all tables."""

import time
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError, NotSupportedError

from ops.doctor.findings import Finding, fail, ok, warn

SLOW = 0.02  # seconds: each page of the console asks some twenty times
PACKET = 16 * 1024 * 1024  # bytes: a version's report and a job's plan are one value each
LISTED = 5


def check() -> Iterator[Finding]:
    failed = _connect()
    if failed:
        yield failed
        return
    yield _latency()
    yield from _mysql() if connection.vendor == "mysql" else _sqlite()
    yield from _migrations()


def _connect() -> Finding | None:
    try:
        connection.ensure_connection()
        connection.check_database_version_supported()
    except NotSupportedError as error:
        return fail(str(error), "Upgrade the database server.")
    except DatabaseError as error:
        return fail(
            f"the database does not answer: {error}",
            "Look at the server, at DATABASE_URL (host, port, user, password, name) and at what "
            "the network lets through.",
        )
    return None


def _latency() -> Finding:
    taken = median(_timed() for _ in range(5))
    said = f"{_version()} answers in {taken * 1000:.1f} ms"
    if taken > SLOW:
        return warn(said, "Bring the hub and its database closer together, or look at its load.")
    return ok(said)


def _timed() -> float:
    began = time.monotonic()
    _value("SELECT 1")
    return time.monotonic() - began


def _version() -> str:
    if connection.vendor == "sqlite":
        return f"SQLite {_value('SELECT sqlite_version()')}"
    return f"MySQL {_value('SELECT VERSION()')}"


def _mysql() -> Iterator[Finding]:
    charset = _value("SELECT @@character_set_database")
    if charset == "utf8mb4":
        yield ok("the database's texts are utf8mb4")
    else:
        yield fail(
            f"the database's texts are {charset}: names in Chinese, or with emoji, cannot be kept",
            "ALTER DATABASE … CHARACTER SET utf8mb4; tables that are there already need "
            "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4.",
        )
    isolation = _isolation()
    if isolation != "READ-COMMITTED":
        yield fail(
            f"transactions are {isolation}, not READ-COMMITTED",
            "Something between the hub and the server changes the session: take it out.",
        )
    packet = int(_value("SELECT @@max_allowed_packet"))
    if packet < PACKET:
        yield warn(
            f"max_allowed_packet is {packet} bytes",
            f"Set it to {PACKET} or more on the server, or large reports cannot be written.",
        )


def _isolation() -> str:
    name = "tx_isolation" if connection.mysql_is_mariadb else "transaction_isolation"  # type: ignore[attr-defined]
    return str(_value(f"SELECT @@{name}"))


def _sqlite() -> Iterator[Finding]:
    mode = _value("PRAGMA journal_mode")
    if mode != "wal":
        yield fail(
            f"SQLite's journal is “{mode}”, so that readers and writers lock each other out",
            "Put AIHUB_HOME onto a local disk: network file systems cannot share memory.",
        )


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = _named(f"{step.app_label}.{step.name}" for step, _ in missing)
        yield fail(
            f"{len(missing)} migrations are not applied: {names}",
            "Run “manage.py migrate” with this version of the hub.",
        )
    newer = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)
    ours = {app for app, _ in executor.loader.disk_migrations}
    unknown = sorted(f"{app}.{name}" for app, name in newer if app in ours)
    if unknown:
        yield warn(
            f"the schema is newer than this code, which lacks {_named(unknown)}",
            "Nothing while an upgrade rolls on; else deploy the version that the schema is of.",
        )
    if not missing and not unknown:
        yield ok("the schema is this version's")


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return ", ".join(listed[:LISTED]) + more


def _value(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
        return row[0] if row else None
