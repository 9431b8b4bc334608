"""The raw ASGI application: paths, methods, problems, the log, and starting and stopping."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aihub import request_context
from aihub.problems import N_, Problem
from inference.cores import available_cores
from inference.engine.pool import Pool
from inference.protocol.predict import Call, predict
from inference.protocol.requests import Disconnected, Request
from inference.protocol.responses import Response, problem_response
from inference.protocol.types import (
    Authenticate,
    Freshen,
    Limits,
    Receive,
    Scope,
    Send,
    Services,
    Translate,
)
from inference.routing import Routes

logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]
_PREDICT = re.compile(r"/api/v1/models/(?P<name>[^/]+)/predict/?")


class InferApp:
    """Prediction. `startup` and `shutdown` run with the server, around the pool's life."""

    def __init__(
        self,
        *,
        authenticate: Authenticate,
        routes: Callable[[], Routes],
        pool: Pool,
        translate: Translate,
        limits: Limits,
        freshen: Freshen,
        startup: Hook | None = None,
        shutdown: Hook | None = None,
        trusted_proxies: int = 0,
    ) -> None:
        self._workers = ThreadPoolExecutor(available_cores(), "decode")
        self._services = Services(authenticate, routes, pool, limits, freshen, self._workers)
        self._translate = translate
        self._startup, self._shutdown = startup, shutdown
        self._trusted_proxies = trusted_proxies

    @staticmethod
    def handles(path: str) -> bool:
        """Whether this application answers the path, so that others can have the rest."""
        return _PREDICT.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(Request(scope, receive, self._services.limits.body), send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def start(self) -> None:
        if self._startup:
            await self._startup()

    async def stop(self) -> None:
        """Let calls under way end, then give everything back."""
        if self._shutdown:
            await self._shutdown()
        await self._services.pool.close()
        await asyncio.to_thread(self._workers.shutdown)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        steps = {"lifespan.startup": self.start, "lifespan.shutdown": self.stop}
        while True:
            kind = (await receive())["type"]
            try:
                await steps[kind]()
            except Exception as error:
                logger.exception("%s failed", kind)
                await send({"type": f"{kind}.failed", "message": str(error)})
                return
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _http(self, request: Request, send: Send) -> None:
        request_id = request_context.request_id_from(request.header("x-request-id"))
        match = _PREDICT.fullmatch(request.path)
        name = match["name"] if match else ""
        call = Call(request, self._services, name, time.perf_counter())
        with request_context.use(request_id, self._address(request)):
            try:
                response = await self._respond(call, request_id)
            except Disconnected:
                return
            await response.send(send, request_id)
            _log(call, response.status)

    async def _respond(self, call: Call, request_id: str) -> Response:
        try:
            _check_target(call)
            return await predict(call)
        except Problem as problem:
            found = problem
        except Disconnected:
            raise
        except Exception:
            logger.exception("%s %s failed", call.request.method, call.request.path)
            found = Problem(500, N_("The hub failed; its log names this request by its id."))
        translate = self._translate(call.request.header("accept-language"))
        return problem_response(found, request_id, translate)

    def _address(self, request: Request) -> str:
        return request_context.client_address(
            request.peer,
            request.header("x-forwarded-for"),
            trusted_proxies=self._trusted_proxies,
        )


def _check_target(call: Call) -> None:
    if not call.name:
        raise Problem(404, N_("There is nothing here."))
    if call.request.method != "POST":
        raise Problem(
            405,
            N_("“%(method)s” is not allowed here: use POST."),
            method=call.request.method,
            headers={"Allow": "POST"},
        )


def _log(call: Call, status: int) -> None:
    """One line a request, once it is answered; a queue takes it off this thread."""
    elapsed = time.perf_counter() - call.started
    event: dict[str, Any] = {
        "action": "predict",
        "outcome": "success" if status < 400 else "failure",
        "duration": int(elapsed * 1e9),  # nanoseconds, as ECS has it
        "status": status,
        "model": call.name,
        "version": call.version,
        "principal": call.principal.id if call.principal else "",
        "items": call.items,
        "bytes": call.request.received,
    }
    logger.info("%s %s %s", call.request.method, call.request.path, status, extra={"event": event})
