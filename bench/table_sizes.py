"""Bytes of the database's tables, indexes included, a row: for docs/capacity.md.

    python -m bench.table_sizes

Fills an empty MariaDB with a fiftieth of what `registry_scale` measures, and prints JSON.
"""

import json
import os
import tempfile
from pathlib import Path

MODELS = 20  # with a hundred versions each
SIZES = """
SELECT table_name, data_length + index_length FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name IN %s
"""
SECRET = "a secret of the benchmarks, long enough for the hub"


def main() -> None:
    from tests.services import running_services

    with tempfile.TemporaryDirectory(prefix="aihub-bench-") as folder:
        place = Path(folder)
        with running_services(place) as services:
            os.environ |= services.environ("sizes", 0) | {
                "AIHUB_HOME": str(place / "home"),
                "AIHUB_SECRET_KEY": SECRET,
                "DJANGO_SETTINGS_MODULE": "aihub.settings",
            }
            print(json.dumps(_filled(), indent=1))


def _filled() -> dict[str, dict[str, float]]:
    """Rows and bytes of each table that grew, the largest first."""
    import django

    django.setup()
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    from bench import registry_jobs, registry_rows

    call_command("migrate", verbosity=0)
    registry_rows.fill(MODELS)
    registry_jobs.fill(MODELS / 1000)
    tables = {m._meta.db_table: m for m in apps.get_models(include_auto_created=True)}
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {', '.join(tables)}")
        cursor.fetchall()
        cursor.execute(SIZES, [tuple(tables)])
        sizes = {name: int(size) for name, size in cursor.fetchall()}
    rows = {name: tables[name]._default_manager.count() for name in sizes}
    large = sorted((name for name in sizes if rows[name] >= 100), key=lambda n: -sizes[n])
    return {
        name: {"rows": rows[name], "bytes": sizes[name], "each": round(sizes[name] / rows[name])}
        for name in large
    }


if __name__ == "__main__":
    main()
