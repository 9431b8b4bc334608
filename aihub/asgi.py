"""Composition: prediction as a raw ASGI application, with Django behind it on a laptop.

`AIHUB_ROLE=infer` answers prediction and health alone; `all` hands every other path to Django.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import django
import orjson

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - Django has to be set up first

from aihub import logs  # noqa: E402
from aihub.access import Principal  # noqa: E402
from aihub.bridge import App, Receive, Scope, Send, django_over_asgi  # noqa: E402
from aihub.language import translator  # noqa: E402
from aihub.snapshot import Freshener, Poller, Snapshot  # noqa: E402
from aihub.wsgi import application as django_application  # noqa: E402
from inference.loading import version_load  # noqa: E402
from inference.engine.pool import Pool  # noqa: E402
from inference.protocol.app import InferApp  # noqa: E402
from inference.protocol.types import Limits  # noqa: E402
from inference.routes import routes_load  # noqa: E402
from inference.routing import Routes  # noqa: E402
from ops import health  # noqa: E402
from ops.identity import directory  # noqa: E402
from ops.identity.credentials import Authenticator  # noqa: E402
from ops.identity.last_used import LastUsed  # noqa: E402
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
        last_used = LastUsed()
        self.poller = Poller(
            [self.routes, self.identities], revision_current, ticks=[last_used.flush]
        )
        self.authenticator = Authenticator(self.identities.current, on_key=last_used.note)
        self.app = self._app()

    def ready(self) -> bool:
        """Whether it knows whom and what to answer."""
        return self.routes.loaded and self.identities.loaded

    async def start(self) -> None:
        logs.leave_the_loop()
        await asyncio.to_thread(self.poller.poll)
        self.poller.start()

    async def stop(self) -> None:
        await asyncio.to_thread(self.poller.stop)

    def authenticate(self, headers: Mapping[bytes, bytes]) -> Principal:
        header = headers.get(b"authorization", b"")
        return self.authenticator.authenticate(header.decode("latin-1"))

    def _app(self) -> InferApp:
        env = settings.ENV
        return InferApp(
            authenticate=self.authenticate,
            routes=self.routes.current,
            pool=Pool(version_load),
            translate=translator,
            freshen=Freshener(self.poller),
            limits=Limits(env.AIHUB_PREDICT_MAX, env.AIHUB_PREDICT_ITEMS, env.AIHUB_IMAGE_PIXELS),
            startup=self.start,
            shutdown=self.stop,
            trusted_proxies=env.AIHUB_TRUSTED_PROXIES,
        )


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


def compose(role: str) -> App:
    """The application of a role."""
    replica = Replica()
    checks: dict[str, Callable[[], bool]] = {"snapshot": replica.ready}
    rest: App = replica.app
    if role == "all":
        checks |= {"database": health.database_answers, "worker": health.worker_is_alive}
        rest = django_over_asgi(django_application, small=settings.BODY_MAX)
    ends = HealthApp(checks)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or replica.app.handles(scope["path"]):
            await replica.app(scope, receive, send)
        elif ends.handles(scope["path"]):
            await ends(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


logs.adopt("uvicorn", "uvicorn.error")
application = compose(settings.ENV.AIHUB_ROLE)
