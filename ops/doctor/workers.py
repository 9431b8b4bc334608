"""Those who work: workers of each queue and replicas, by the heartbeats in the database."""

from collections.abc import Iterator

from inference.replicas import replicas_alive
from ops.doctor.findings import Finding, fail, ok, warn
from registry.processing.worker import BATCH, PROCESSING, QUEUES, waits, workers_alive

ROLES = {PROCESSING: "worker", BATCH: "batch"}


def check() -> Iterator[Finding]:
    for queue in QUEUES:
        yield _queue(queue)
    replicas = replicas_alive().count()
    if replicas:
        yield ok(f"replicas of infer that are alive: {replicas}")
    else:
        yield warn(
            "no replica of infer gave a sign of life within 15 s: nothing predicts",
            "Nothing where the hub is stopped; else look at the role's pods and log.",
        )


def _queue(queue: str) -> Finding:
    role, alive = ROLES[queue], workers_alive(queue)
    if alive:
        return ok(f"workers of the role {role} that are alive: {alive}")
    what = f"no worker of the role {role} gave a sign of life within 15 s"
    do = "Nothing where the hub is stopped; else look at the role's pods and log."
    if waits(queue):
        return fail(f"{what}, and work waits for one", do)
    return warn(what, do)
