"""Running the checks: one that breaks is a finding, and keeps no other from being run."""

from collections.abc import Collection, Iterator, Mapping

from django.db import DatabaseError

from ops.doctor import (
    broker,
    cache,
    clock,
    configuration,
    database,
    permissions,
    storage,
    versions,
    workers,
)
from ops.doctor.findings import Check, Finding, Level, fail

CHECKS: Mapping[str, Check] = {
    "versions": versions.check,
    "configuration": configuration.check,
    "permissions": permissions.check,
    "database": database.check,
    "broker": broker.check,
    "cache": cache.check,
    "storage": storage.check,
    "clock": clock.check,
    "workers": workers.check,
}


def examine(only: Collection[str] = ()) -> Iterator[tuple[str, Finding]]:
    """The findings of all checks, or of `only` some, each with the name of its check."""
    for name, check in CHECKS.items():
        if not only or name in only:
            for finding in _examined(check):
                yield name, finding


def _examined(check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except DatabaseError as error:
        yield Finding(Level.SKIP, f"not seen, as the database fails: {error}")
    except Exception as error:
        yield fail(
            f"the check itself broke: {type(error).__name__}: {error}",
            "Run it with --traceback, and tell the maintainers.",
        )
