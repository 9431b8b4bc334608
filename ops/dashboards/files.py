"""The files that Grafana is provisioned with."""

import json
from collections.abc import Iterator
from pathlib import Path

from aihub.env import BASE_DIR
from ops.dashboards import batch, model, overview, system

FOLDER = BASE_DIR / "ops" / "stack" / "grafana" / "dashboards"
DASHBOARDS = (overview.DASHBOARD, model.DASHBOARD, batch.DASHBOARD, system.DASHBOARD)


def contents() -> Iterator[tuple[Path, str]]:
    """Each file's place, and what it holds."""
    for dashboard in DASHBOARDS:
        text = json.dumps(dashboard.as_json(), indent=1, sort_keys=True, ensure_ascii=False)
        yield FOLDER / f"{dashboard.name}.json", text + "\n"


def write() -> None:
    """Write them all."""
    for path, text in contents():
        path.write_text(text, encoding="utf-8")
