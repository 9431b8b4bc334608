"""`manage.py doctor` beside a hub that is well."""

import json
from typing import Any

from tests.hub import Hub


def test_a_running_hub_is_healthy(hub: Hub) -> None:
    done = hub.manage("doctor", "--json")
    assert done.returncode == 0, done.stdout
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["healthy"]
    levels: dict[str, set[str]] = {}
    for finding in said["findings"]:
        levels.setdefault(finding["check"], set()).add(finding["level"])
    for check in ("versions", "database", "broker", "storage", "workers"):
        assert levels[check] == {"ok"}, said["findings"]


def test_it_leaves_nothing_in_the_storage(hub: Hub) -> None:
    hub.manage("doctor", "--only", "storage")
    look = """
import django
django.setup()
from registry.storage import blob_storage
print([stored.key for stored in blob_storage().listing("doctor/")])
"""
    assert hub.run_python(look).strip() == "[]"


def test_it_speaks_to_a_person_of_what_was_asked(hub: Hub) -> None:
    done = hub.manage("doctor", "--only", "database", "broker")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert {line.split()[1] for line in lines} == {"database", "broker"}
    assert all(line.startswith("✓") for line in lines)
