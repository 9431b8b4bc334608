"""All scenarios, or those named: `make bench`, `make bench SCENARIOS="compare overload"`."""

import subprocess
import time
from collections.abc import Mapping
from types import ModuleType

from bench import bare, batch, compare, machine, many, neighbours, overload, registry_scale, swaps
from bench.capacity import scenario as capacity
from bench.environments import check_wrk, python_of
from bench.places import BENCH, PLOT, RESULTS
from bench.running import Run, arguments, last_found, measured, run_of
from bench.servers import PEERS

SCENARIOS: dict[str, ModuleType] = {
    "compare": compare,
    "bare": bare,
    "overload": overload,
    "swaps": swaps,
    "many": many,
    "neighbours": neighbours,
    "registry_scale": registry_scale,
    "batch": batch,
    "capacity": capacity,
}


def main() -> None:
    parser = arguments("The hub's benchmarks.")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    given = parser.parse_args()
    if unknown := set(given.scenarios) - set(SCENARIOS):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    names = given.scenarios or list(SCENARIOS)
    check_wrk()
    for name in ("plot", *(peer.name for peer in PEERS)) if "compare" in names else ():
        python_of(name)  # installed before anything is measured
    with run_of(given) as run:
        texts = {name: _measured(name, run) for name in names}
    (RESULTS / "summary.md").write_text(_summary(texts))
    if "compare" in names:
        subprocess.run([python_of("plot"), BENCH / "plot.py", RESULTS, PLOT], check=True)
    if "capacity" in names:
        capacity.draw()


def _measured(name: str, run: Run) -> str:
    print(f"\n{name}: {(SCENARIOS[name].__doc__ or '').partition(chr(10))[0]}", flush=True)
    started = time.monotonic()
    try:
        text = measured(name, SCENARIOS[name].run, SCENARIOS[name].report, run)
    except Exception as error:  # the others are worth having all the same
        text = f"### {name}\n\nIt failed: {error}"
    print(f"\n{text}\n\n({name} took {time.monotonic() - started:.0f} s)", flush=True)
    return text


def _summary(texts: Mapping[str, str]) -> str:
    """All tables: what was not measured now comes from its last run on this machine."""
    parts = [f"Measured on {machine.sentence()}."]
    for name, scenario in SCENARIOS.items():
        if name in texts:
            parts.append(texts[name])
        elif (kept := last_found(name)) is not None:
            parts.append(scenario.report(kept))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
