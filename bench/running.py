"""How a scenario runs: how long to measure, where its hubs live, and what becomes of its result."""

import argparse
import json
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.places import RESULTS

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """`seconds` is the length of one measurement; `scale` shortens what has a length of its own.

    The hub in `shared` serves several scenarios, so that models are optimised once. What lies in
    `folder` is of this run alone.
    """

    kept: Path
    folder: Path
    seconds: float = 8.0
    scale: float = 1.0

    @property
    def shared(self) -> Path:
        return self.kept / "hub"


Scenario = Callable[[Run], Found]
Report = Callable[[Found], str]


def arguments(description: str) -> argparse.ArgumentParser:
    """What every scenario understands."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one measurement")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of what takes minutes: 0.1 is a tenth of it"
    )
    parser.add_argument("--folder", type=Path, help="keeps the hubs and their models for next time")
    return parser


@contextmanager
def run_of(given: argparse.Namespace) -> Iterator[Run]:
    """What the arguments ask for; without a folder, one that is removed afterwards."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are stopped
    with tempfile.TemporaryDirectory(prefix="aihub-bench-") as temporary:
        folder = Path(given.folder or temporary).resolve()
        yield Run(folder, Path(temporary), given.seconds, given.scale)


def measured(name: str, scenario: Scenario, report: Report, run: Run) -> str:
    """Run a scenario, keep its result as JSON, and give its tables."""
    found = scenario(run)
    RESULTS.mkdir(exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"scenario": name, "measured": when, "machine": machine.described()}
    settings = {"seconds": run.seconds, "scale": run.scale}
    kept = json.dumps({**head, **settings, "found": found}, indent=2)
    (RESULTS / f"{name}.json").write_text(kept + "\n")
    return report(found)


def last_found(name: str) -> Found | None:
    """What a scenario found when it last ran, if that was on a machine like this."""
    path = RESULTS / f"{name}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    return kept["found"] if kept.get("machine") == machine.described() else None


def alone(name: str, scenario: Scenario, report: Report) -> None:
    """What `python -m bench.<name>` does."""
    given = arguments(f"The scenario “{name}” of the benchmarks.").parse_args()
    with run_of(given) as run:
        print(machine.sentence(), measured(name, scenario, report, run), sep="\n\n")
