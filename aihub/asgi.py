"""Composition: prediction as a raw ASGI application, with Django behind it on a laptop.

`AIHUB_ROLE=infer` answers prediction and health alone; `all` hands every other path to Django.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import django
import orjson

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - Django has to be set up first
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY  # noqa: E402

from aihub import logs, metrics, tracing  # noqa: E402
from aihub.access import Principal  # noqa: E402
from aihub.bridge import App, Receive, Scope, Send, django_over_asgi  # noqa: E402
from aihub.language import translator  # noqa: E402
from aihub.snapshot import Freshener, Poller, Snapshot  # noqa: E402
from inference.cores import available_cores  # noqa: E402
from inference.elsewhere import VariantRequests  # noqa: E402
from inference.engine.batching import BatchLimits  # noqa: E402
from inference.engine.engine import Engine  # noqa: E402
from inference.engine.memory import available_memory  # noqa: E402
from inference.engine.pool import Pool  # noqa: E402
from inference.loading import version_prepare  # noqa: E402
from inference.processor import cpu_fingerprint  # noqa: E402
from inference.protocol.app import InferApp, Log  # noqa: E402
from inference.protocol.grpc.server import GrpcServer  # noqa: E402
from inference.protocol.metrics import EngineCollector  # noqa: E402
from inference.protocol.types import Limits, Services  # noqa: E402
from inference.replicas import Reporter  # noqa: E402
from inference.routes import routes_load  # noqa: E402
from inference.routing import Routes  # noqa: E402
from ops import health  # noqa: E402
from ops.identity import directory  # noqa: E402
from ops.identity.credentials import Authenticator  # noqa: E402
from ops.identity.last_used import LastUsed  # noqa: E402
from ops.metrics.page import page_of  # noqa: E402
from registry.models.revision import revision_current  # noqa: E402


class Replica:
    """One process that predicts: its snapshots, and the application over them."""

    def __init__(self) -> None:
        folder = settings.HOME / "cache" / "snapshots"
        self.routes = Snapshot(
            load=routes_load,
            dump=Routes.as_json,
            parse=Routes.from_json,
            path=folder / "routes.json",
            empty=Routes(),
        )
        self.identities = Snapshot(
            load=directory.identities_load,
            dump=directory.dump,
            parse=directory.parse,
            path=folder / "identities.json",
            empty=directory.Identities(),
        )
        env = settings.ENV
        last_used = LastUsed()
        self.authenticator = Authenticator(self.identities.current, on_key=last_used.note)
        self.engine = _engine(self.routes.current)
        self.pool = env.AIHUB_POOL or ("*" if env.AIHUB_ROLE == "all" else "")
        reporter = Reporter(self.pool, cpu_fingerprint(), self.engine.report)
        ticks = [last_used.flush, reporter.tick]
        if env.AIHUB_OPTIMISE:
            ticks.append(VariantRequests(cpu_fingerprint()).tick)
        self.poller = Poller([self.routes, self.identities], revision_current, ticks)
        REGISTRY.register(EngineCollector(self.engine, self.poller.age))
        self.traced = tracing.serving(env)
        log, services = self._log(), self._services()
        self.grpc = GrpcServer(
            *(services, env.AIHUB_HOST, env.AIHUB_GRPC_PORT),
            log=log,
            interceptors=(self.traced.grpc(),) if self.traced else (),
        )
        self.app = InferApp(
            services,
            translate=translator,
            log=log,
            startup=self.start,
            shutdown=self.stop,
            trusted_proxies=env.AIHUB_TRUSTED_PROXIES,
        )

    def ready(self) -> bool:
        """Whether it knows whom and what to answer."""
        return self.routes.loaded and self.identities.loaded

    def checks(self) -> dict[str, Callable[[], bool]]:
        """What it needs to predict. The database is not among it: what is known goes on serving."""
        checks = {"snapshot": self.ready}
        if settings.ENV.AIHUB_GRPC_PORT:
            checks["grpc"] = lambda: self.grpc.listening
        return checks

    async def start(self) -> None:
        logs.leave_the_loop()
        await asyncio.to_thread(self.poller.poll)
        self.poller.start()
        if settings.ENV.AIHUB_GRPC_PORT:
            await self.grpc.start()

    async def stop(self) -> None:
        await self.grpc.stop()
        await asyncio.to_thread(self.poller.stop)
        # Here, as uvicorn then ends by the signal that told it to.
        await asyncio.to_thread(tracing.stop)

    def authenticate(self, headers: Mapping[bytes, bytes]) -> Principal:
        header = headers.get(b"authorization", b"")
        return self.authenticator.authenticate(header.decode("latin-1"))

    def _log(self) -> Log:
        log: Log = logs.AccessLog(settings.ENV.AIHUB_ROLE)
        return self.traced.noting(log) if self.traced else log

    def predictions(self) -> "End":
        """What answers predictions over HTTP."""
        return self.traced.http(self.app, self.app.handles) if self.traced else self.app

    def _services(self) -> Services:
        env = settings.ENV
        return Services(
            authenticate=self.authenticate,
            engine=self.engine,
            limits=Limits(env.AIHUB_PREDICT_MAX, env.AIHUB_PREDICT_ITEMS, env.AIHUB_IMAGE_PIXELS),
            freshen=Freshener(self.poller),
            workers=ThreadPoolExecutor(available_cores(), "decode"),
            pool=self.pool,
        )


def _engine(routes: Callable[[], Routes]) -> Engine:
    env = settings.ENV
    limits = BatchLimits(env.AIHUB_MAX_BATCH, env.AIHUB_MAX_DELAY_MS / 1000, env.AIHUB_QUEUE)
    budget = env.AIHUB_MODEL_MEMORY or available_memory() // 2
    pool = Pool(version_prepare, budget=budget, limits=limits)
    return Engine(pool, routes)


class MetricsApp:
    """`/metrics` of a process that only predicts; elsewhere Django answers it.

    The page is made beside the work, by a thread.
    """

    def __init__(self) -> None:
        self.page = page_of(settings.ENV)
        self.threads = ThreadPoolExecutor(1, "metrics")

    def handles(self, path: str) -> bool:
        return path == "/metrics"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await asyncio.get_running_loop().run_in_executor(self.threads, self.page.text)
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class HealthApp:
    """`/livez` and `/readyz`, beside the work: its checks have threads of their own."""

    def __init__(self, checks: Mapping[str, Callable[[], bool]]) -> None:
        self.checks = {"/livez": {}, "/readyz": checks}
        self.threads = ThreadPoolExecutor(2, "health")

    def handles(self, path: str) -> bool:
        return path in self.checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        checks = self.checks[scope["path"]]
        status, body = await loop.run_in_executor(self.threads, health.run, checks)
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps(body)})


class End(Protocol):
    """An application for some paths."""

    def handles(self, path: str) -> bool: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def compose(role: str) -> App:
    """The application of a role."""
    metrics.begin()
    replica = Replica()
    checks = replica.checks()
    rest: App = replica.app
    if role == "all":
        from aihub.wsgi import application as django_application

        checks |= {
            "database": health.database_answers,
            "worker": health.worker_is_alive,
            "batch_worker": health.batch_worker_is_alive,
        }
        rest = django_over_asgi(django_application, small=settings.BODY_MAX)
    ends: list[End] = [replica.predictions(), HealthApp(checks)]
    if role == "infer":
        ends.append(MetricsApp())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await replica.app(scope, receive, send)
            return
        path = scope["path"]
        for end in ends:
            if end.handles(path):
                await end(scope, receive, send)
                return
        await rest(scope, receive, send)

    return app


application = compose(settings.ENV.AIHUB_ROLE)
