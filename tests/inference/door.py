"""The prediction application called in-process, with a real pool and real runtimes."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from aihub.access import Action, Principal, Role, Scope
from aihub.problems import N_, Problem
from inference import completion, sampling
from inference.cores import available_cores
from inference.engine.batching import BatchLimits
from inference.engine.engine import Engine
from inference.engine.loads import Plan, Source
from inference.engine.pool import Pool
from inference.protocol.app import InferApp
from inference.protocol.types import Limits, Services
from inference.routing import ModelRoute, Routes, VersionRoute
from inference.runtimes import reference_runtime, runtime_named
from inference.runtimes.base import Form
from inference.spec import ModelSpec, VariantSpec
from inference.texts import tokenizer_of
from registry import semver

TEAM = 1
PEOPLE = {
    "viewer": Principal("user:1", "viewer", {TEAM: Role.VIEWER}),
    "outsider": Principal("user:2", "outsider", {TEAM + 1: Role.OWNER}),
    "publisher": Principal(
        "key:p", "publisher", {TEAM: Role.OWNER}, scope=Scope(frozenset({Action.PUBLISH}))
    ),
}
LIMITS = Limits(body=8 * 1024 * 1024, items=4, pixels=4_000_000)


def authenticate(headers: dict[bytes, bytes]) -> Principal:
    """`Authorization: <a person's name>`."""
    name = headers.get(b"authorization", b"").decode()
    if name not in PEOPLE:
        raise Problem(
            401, N_("Sign in first."), headers={"WWW-Authenticate": 'Bearer realm="aihub"'}
        )
    return PEOPLE[name]


def translate(accept_language: str) -> Callable[[str], str]:
    """“Chinese” is every template in brackets."""
    return (lambda text: f"【{text}】") if accept_language.startswith("zh") else str


@dataclass
class Published:
    """A model as the door knows it: its spec and files, and the state of its only version."""

    spec: ModelSpec
    files: Mapping[str, Path]
    state: str = "ready"
    architectures: tuple[str, ...] = ()


def processed(published: Published) -> Source:
    """What the worker's steps make of a version, without the database."""
    spec, files = published.spec, published.files
    runtime = runtime_named(reference_runtime(spec.format), published.architectures)
    form = Form(threads=available_cores(), device="cpu")
    model = runtime.load(spec, files, form)
    spec = completion.completed(runtime.completed(spec), model.signature)
    tokenizer = tokenizer_of(replace(spec, signature=model.signature), files)
    signature = sampling.observe(model, spec, tokenizer)
    spec = replace(spec, signature=signature, num_classes=sampling.classes(spec, signature))
    return Source(spec, runtime.load(spec, files, form), tokenizer)


class Door:
    """Answers requests; one event loop for its whole life, as in a server."""

    def __init__(self, models: Mapping[str, Published], limits: Limits = LIMITS) -> None:
        self.models = dict(models)
        self.ids = dict(enumerate(self.models, 1))
        self.loads: list[str] = []
        self.unseen: set[str] = set()  # models that the snapshot lacks until it is freshened
        self.pool = Pool(self.prepare, budget=4_000_000_000, limits=BatchLimits(queue=64))
        self.services = Services(
            authenticate=authenticate,
            engine=Engine(self.pool, self.routes),
            limits=limits,
            freshen=self.freshen,
            workers=ThreadPoolExecutor(available_cores(), "decode"),
        )
        self.lines: list[tuple[str, str, Mapping[str, Any]]] = []  # of the log
        self.app = InferApp(
            self.services, translate=translate, log=lambda *line: self.lines.append(line)
        )
        self._known: tuple[frozenset[str], Routes] = (frozenset({"-"}), Routes())
        self._runner = asyncio.Runner()

    def prepare(self, version_id: int, variant: VariantSpec | None) -> Plan:
        name = self.ids[version_id]
        self.loads.append(name)
        known = self.models[name]
        published = replace(known, spec=replace(known.spec, model=name))
        size = sum(path.stat().st_size for path in published.files.values() if path.exists())
        return Plan(published.spec, size, 0, lambda: processed(published))

    def routes(self) -> Routes:
        unseen = frozenset(self.unseen)
        if self._known[0] != unseen:
            known = {pk: name for pk, name in self.ids.items() if name not in unseen}
            routes = {name.lower(): self._route(pk, name) for pk, name in known.items()}
            self._known = (unseen, Routes(routes))
        return self._known[1]

    async def freshen(self) -> None:
        self.unseen.clear()

    def _route(self, pk: int, name: str) -> ModelRoute:
        published = self.models[name]
        version = VersionRoute(pk, "1.0.0", published.state, semver.parse("1.0.0").sort_key)
        return ModelRoute(
            pk, name, TEAM, False, published.spec.task, {"1.0.0": version}, {"staging": "1.0.0"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self.app.stop())
        self._runner.close()

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {"Authorization": "viewer", **kwargs.pop("headers", {})}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
                return await client.request(method, path, headers=headers, **kwargs)

        response: httpx.Response = self.run(send())
        return response

    def predict(self, model: str, **kwargs: Any) -> httpx.Response:
        return self.request("POST", f"/api/v1/models/{model}/predict/", **kwargs)
