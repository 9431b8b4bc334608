"""`manage.py doctor` beside a hub that is well."""

import json
import subprocess
import sys
from typing import Any

from aihub.env import BASE_DIR
from tests.hub import Hub


def doctor(hub: Hub, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "doctor", *arguments],
        cwd=BASE_DIR,
        env=hub.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_running_hub_is_healthy(hub: Hub) -> None:
    done = doctor(hub, "--json")
    assert done.returncode == 0, done.stdout
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["healthy"]
    levels: dict[str, set[str]] = {}
    for finding in said["findings"]:
        levels.setdefault(finding["check"], set()).add(finding["level"])
    for check in ("versions", "database", "broker", "storage", "workers"):
        assert levels[check] == {"ok"}, said["findings"]


def test_it_leaves_nothing_in_the_storage(hub: Hub) -> None:
    doctor(hub, "--only", "storage")
    look = """
import django
django.setup()
from registry.storage import blob_storage
print([stored.key for stored in blob_storage().listing("doctor/")])
"""
    assert hub.run_python(look).strip() == "[]"


def test_it_speaks_to_a_person_of_what_was_asked(hub: Hub) -> None:
    done = doctor(hub, "--only", "database", "broker")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert {line.split()[1] for line in lines} == {"database", "broker"}
    assert all(line.startswith("✓") for line in lines)
