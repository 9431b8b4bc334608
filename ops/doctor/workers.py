"""Those who work: workers of each queue and replicas, by the heartbeats in the database."""

from collections.abc import Iterator

from aihub import __version__
from inference.replicas import replicas_alive
from ops.doctor.findings import Finding, fail, ok, warn
from registry.processing.worker import (
    BATCH,
    PROCESSING,
    QUEUES,
    heartbeats,
    waits,
    workers_alive,
)

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
    yield from _versions()


def _versions() -> Iterator[Finding]:
    """Who runs another version than this: a rollout that is under way, or that got stuck."""
    running = [*heartbeats().values_list("version", "name", "queue")]
    running += [(*row, "infer") for row in replicas_alive().values_list("version", "name")]
    for version, name, queue in sorted(running):
        if version not in ("", __version__):
            role = ROLES.get(queue, queue)
            yield warn(
                f"{name} ({role}) runs version {version}, this is {__version__}",
                f"Nothing while an upgrade rolls on; else “kubectl rollout status deploy/{role}”.",
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
