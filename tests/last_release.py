"""What the code of the last release knows of the schema, kept in `last_release.json`.

`python -m tests.last_release >tests/last_release.json` writes it, on the commit of a release.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")


def read() -> dict[str, Any]:
    """`commit`, `migrations` ([app, name] of each) and `tables`: by name their columns, each with
    `kind` (Django's name), `null` and `size` (characters, where bounded).
    """
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def known() -> dict[str, Any]:
    """The same of the code that this is."""
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    migrations = MigrationLoader(connection, ignore_no_migrations=True).disk_migrations
    models = apps.get_models(include_auto_created=True)
    return {
        "commit": _commit(),
        "migrations": sorted(map(list, migrations)),
        "tables": {model._meta.db_table: _columns(model) for model in models},
    }


def _columns(model: Any) -> dict[str, Any]:
    return {
        field.column: {
            "kind": _kind(field),
            "null": field.null,
            "size": field.max_length if field.get_internal_type() != "UUIDField" else None,
        }
        for field in model._meta.local_concrete_fields
    }


def _kind(field: Any) -> str:
    while field.is_relation:
        field = field.target_field
    return str(field.get_internal_type())


def _commit() -> str:
    head = ("git", "rev-parse", "HEAD")
    return subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()


def _written(said: dict[str, Any]) -> str:
    """JSON with a line for each migration and table, so that a change shows."""
    migrations = ",\n".join(json.dumps(one) for one in said["migrations"])
    tables = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(columns)}"
        for name, columns in sorted(said["tables"].items())
    )
    commit = json.dumps(said["commit"])
    return f'{{"commit": {commit},\n"migrations": [\n{migrations}],\n"tables": {{\n{tables}}}}}\n'


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(_written(known()))
