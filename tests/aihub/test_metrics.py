"""Counts of what limits refuse, and counting in processes that fork."""

import subprocess
import sys

from prometheus_client import REGISTRY

from aihub import metrics
from aihub.env import BASE_DIR
from aihub.metrics import LIMITS, Limit, Limited

NAME = "aihub_limit_hits_total"
# Children of a process whose threads count without a pause; one that waits for good is killed.
FORK = """
import os, signal, sys, threading
from prometheus_client import Counter
from aihub.metrics import count

counted = Counter("counted", "Counts", ("who",))
done = threading.Event()

def work():
    while not done.is_set():
        count(counted, "thread")

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
ends = []
for _ in range(100):
    if not (child := os.fork()):
        signal.alarm(10)
        count(counted, "child")
        os._exit(0)
    ends.append(os.waitpid(child, 0)[1])
done.set()
sys.exit(any(ends))
"""


def hits(limit: Limit) -> float:
    return REGISTRY.get_sample_value(NAME, {"limit": limit}) or 0.0


def test_a_refusal_counts_for_its_limit() -> None:
    before = hits("body")
    problem = Limited("body", 413, "At most %(most)s bytes.", most=7, headers={"X": "y"})
    assert hits("body") == before + 1
    assert (problem.status, problem.detail(), problem.headers) == (
        413,
        "At most 7 bytes.",
        {"X": "y"},
    )


def test_every_limit_is_there_from_the_beginning() -> None:
    metrics.begin()
    found = {
        limit: REGISTRY.get_sample_value("aihub_limit_hits_total", {"limit": limit})
        for limit in LIMITS
    }
    assert None not in found.values()


def test_no_series_says_when_another_began() -> None:
    assert not [
        sample.name
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.endswith("_created")
    ]


def test_a_process_that_is_forked_while_threads_count_can_count() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], cwd=BASE_DIR, timeout=60, check=False)
    assert done.returncode == 0
