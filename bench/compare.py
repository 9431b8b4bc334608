"""The hub beside other servers: the same photograph, the same weights, the same machine.

    .venv/bin/python -m bench.compare [--seconds N]

The hub runs with tokens, metrics and logging on, as everyone gets it.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from bench import hub as hubs, material
from bench.hub import Hub
from bench.report import table
from bench.running import Run, alone
from bench.servers import PEERS, Peer, ask, best_class, numbers, running, settle
from bench.wrk import Post, measure

CONNECTIONS = (1, 16, 64)
PRECISIONS = ("exact", "fast", "int8")
MODELS = ("resnet50", "mlp")
TITLES = {"resnet50": "ResNet-50 from JPEG", "mlp": "MLP of 64 numbers"}
_CLOSE = 0.02  # how far a number may be from PyTorch's


def run(run: Run) -> dict[str, Any]:
    """Rates and latencies of every server at 1, 16 and 64 connections; agreement of answers."""
    rows: list[dict[str, Any]] = []
    agreement: dict[str, Any] = {}
    with hubs.running(run.shared) as hub:
        hub.ensure_resnet50()
        hub.ensure_mlp()
        for precision in PRECISIONS:
            agreement[f"AIHub, {precision}"] = _hub_agreement(hub, precision)
        rows += [row for model in MODELS for row in _hub_rows(hub, model, run.seconds)]
    for peer in PEERS:
        agreement[peer.title] = _peer_agreement(peer, run)
        rows += [row for model in MODELS for row in _peer_rows(peer, model, run)]
    return {"rows": _with_ratios(rows), "agreement": agreement}


def _hub_rows(hub: Hub, model: str, seconds: float) -> Iterator[dict[str, Any]]:
    for precision in PRECISIONS if model == "resnet50" else ("fast",):
        hub.sign_in()
        post = hub.row() if model == "mlp" else hubs.photograph_post(hub, model)
        variant = hub.serve(model, precision, post)
        _check(model, post)
        yield from _measured(f"AIHub, {precision}", model, variant, post, seconds)


def _peer_rows(peer: Peer, model: str, run: Run) -> Iterator[dict[str, Any]]:
    with running(peer, model, run.folder / f"{peer.name}-{model}") as url:
        picture = material.photograph()
        post = peer.row(url) if model == "mlp" else peer.picture(url, picture)
        _check(model, post)
        yield from _measured(peer.title, model, "torch fp32", post, run.seconds)


def _measured(
    server: str, model: str, variant: str, post: Post, seconds: float
) -> Iterator[dict[str, Any]]:
    for connections in CONNECTIONS:
        settle(post)
        found = measure(post, connections, seconds)
        print(f"  {server}, {model}, {connections}: {found.rate:g}/s", flush=True)
        yield {"server": server, "model": model, "variant": variant, **asdict(found)}


def _check(model: str, post: Post) -> None:
    """A server that answers wrongly is not measured."""
    answer = ask(post)
    if model == "mlp":
        pairs = zip(numbers(answer), material.row_answer(), strict=True)
        right = all(abs(a - b) <= _CLOSE for a, b in pairs)
    else:
        right = best_class(answer) == material.photograph_class(model)
    if not right:
        raise RuntimeError(f"{post.url} answers wrongly: {str(answer)[:300]}")


def _hub_agreement(hub: Hub, precision: str) -> dict[str, Any]:
    """On Lite0, the first version of the demonstration."""
    model, number = hubs.DEMONSTRATED, hubs.LITE0
    variant = hub.serve(model, precision, hubs.photograph_post(hub, model, number), number)
    posts = [hub.picture(model, picture, number) for picture in material.asked()]
    return {"variant": variant, **_agreement(posts, hubs.class_named)}


def _peer_agreement(peer: Peer, run: Run) -> dict[str, Any]:
    with running(peer, "lite0", run.folder / f"{peer.name}-lite0") as url:
        posts = [peer.picture(url, picture) for picture in material.asked()]
        return {"variant": "torch fp32", **_agreement(posts, int)}


def _agreement(posts: list[Post], number: Callable[[str], int]) -> dict[str, int]:
    """How many pictures get the class that PyTorch gives."""
    found = [best_class(ask(post), number) for post in posts]
    same = sum(a == b for a, b in zip(found, material.classes("lite0"), strict=True))
    return {"same": same, "of": len(posts)}


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row with its rate over that of the best peer in the same measurement."""
    peers = {peer.title for peer in PEERS}
    for row in rows:
        alike = ("model", "connections")
        rates = [
            other["rate"]
            for other in rows
            if other["server"] in peers and all(other[key] == row[key] for key in alike)
        ]
        row["to_best_peer"] = round(row["rate"] / max(rates), 2) if any(rates) else None
    return rows


def report(found: dict[str, Any]) -> str:
    """The tables, in Markdown."""
    head = ("server", "serves", "connections", "answers/s", "p50, ms", "p99, ms", "errors", "ratio")
    keys = ("server", "variant", "connections", "rate", "p50_ms", "p99_ms", "errors")
    parts = []
    for model in MODELS:
        rows = [row for row in found["rows"] if row["model"] == model]
        rows.sort(key=lambda row: (row["connections"], -row["rate"]))
        cells = [[*(row[key] for key in keys), row["to_best_peer"]] for row in rows]
        parts += [f"### {TITLES[model]}", table(head, cells)]
    agreement = [
        (server, row["variant"], f"{row['same']} of {row['of']}")
        for server, row in found["agreement"].items()
    ]
    parts += ["### EfficientNet-Lite0: the same best class as PyTorch"]
    parts += [table(("server", "serves", "pictures"), agreement)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    alone("compare", run, report)
