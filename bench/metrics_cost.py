"""What counting one prediction costs: `python -m bench.metrics_cost`.

Does, for one call after the other, all that the engine and the protocol do for metrics: its form
and how it ended, its stages and the run. Many short rounds, of which the median and the quickest
are said: what else the machine does in one of them is no cost of counting.
"""

import time

from bench import machine
from inference.engine.measures import Measures, form_key
from inference.routing import VersionRoute

ROUNDS, CALLS = 1000, 200
MODELS = 20  # among which the calls go in turn


def main() -> None:
    """Print the microseconds of one prediction."""
    found = costs()
    print(
        f"{found[ROUNDS // 2]:.1f} µs a prediction at the median of {ROUNDS} rounds, "
        f"{found[0]:.1f} in the quickest; on {machine.sentence()}"
    )


def costs(rounds: int = ROUNDS) -> list[float]:
    """Microseconds of one prediction in each of so many rounds, the least first."""
    measures = Measures()
    versions = [VersionRoute(n, "1.2.0", "ready", "", None) for n in range(MODELS)]
    names = [f"model-{n}" for n in range(MODELS)]
    return sorted(1e6 * _round(measures, names, versions) for _ in range(rounds))


def _round(measures: Measures, names: list[str], versions: list[VersionRoute]) -> float:
    """Seconds of a call, in the mean."""
    started = time.perf_counter()
    for number in range(CALLS):
        _count(measures, names[number % MODELS], versions[number % MODELS])
    return (time.perf_counter() - started) / CALLS


def _count(measures: Measures, model: str, version: VersionRoute) -> None:
    """What one call of a batch of its own has counted, with the clocks that are read for it."""
    began = time.monotonic()  # its body is read
    form = form_key(model, version)
    since = time.monotonic()  # it waits
    started = time.monotonic()
    seconds = time.monotonic() - started
    measures.ran(form, [started - since], seconds, 1, 16)
    measures.forms.of(form).preprocess.observe(since - began)
    measures.answered(model, form, "ok", 200, time.monotonic() - began)


if __name__ == "__main__":
    main()
