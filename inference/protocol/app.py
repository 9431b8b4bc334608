"""The raw ASGI application: paths, methods, problems, the log, and starting and stopping."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aihub import request_context
from aihub.problems import N_, Problem
from inference.protocol import v1
from inference.protocol.calls import Call
from inference.protocol.pacing import Pace
from inference.protocol.predict import predict
from inference.protocol.requests import Request
from inference.protocol.responses import Response, problem_response
from inference.protocol.serving import Gone
from inference.protocol.types import Receive, Scope, Send, Services, Translate
from inference.protocol.v2 import app as v2
from inference.protocol.v2.errors import error_response

logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]
Log = Callable[[str, str, Mapping[str, Any]], None]  # message, request id, ECS's event
_PREDICT = re.compile(r"/api/v1/models/(?P<name>[^/]+)/predict/?")


class InferApp:
    """Prediction. `startup` and `shutdown` run with the server, around the engine's life."""

    def __init__(
        self,
        services: Services,
        *,
        translate: Translate,
        log: Log,
        startup: Hook | None = None,
        shutdown: Hook | None = None,
        trusted_proxies: int = 0,
    ) -> None:
        self._services = services
        self._translate = translate
        self._log = log
        self._startup, self._shutdown = startup, shutdown
        self._trusted_proxies = trusted_proxies
        self._pace = Pace()

    @staticmethod
    def handles(path: str) -> bool:
        """Whether this application answers the path, so that others can have the rest."""
        return _PREDICT.fullmatch(path) is not None or _is_oip(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(Request(scope, receive, self._services.limits.body), send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def start(self) -> None:
        if self._startup:
            await self._startup()
        self._services.engine.start()

    async def stop(self) -> None:
        """Let calls under way end, then give everything back."""
        if self._shutdown:
            await self._shutdown()
        await self._services.engine.stop()
        await asyncio.to_thread(self._services.workers.shutdown)

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
        request_id = request_context.request_id_from(request.header(b"x-request-id"))
        call = Call(request, self._services, time.perf_counter())
        with request_context.use(request_id, self._address(request)):
            try:
                response = await self._respond(call, request_id)
                if response.status == 503:
                    await self._pace.wait()
            except Gone:
                call.count_left(self._services.engine.measures)
                return
            await response.send(send, request_id)
        self._note(call, response.status, request_id)

    async def _respond(self, call: Call, request_id: str) -> Response:
        try:
            return await _answer(call)
        except Problem as problem:
            found = problem
        except Gone:
            raise
        except Exception:
            logger.exception("%s %s failed", call.request.method, call.request.path)
            found = Problem(500, N_("The hub failed; its log names this request by its id."))
        call.failed(found)
        translate = self._translate(call.request.header(b"accept-language"))
        if _is_oip(call.request.path):
            return error_response(found, translate)
        return problem_response(found, request_id, translate)

    def _address(self, request: Request) -> str:
        return request_context.client_address(
            request.peer,
            request.header(b"x-forwarded-for"),
            trusted_proxies=self._trusted_proxies,
        )

    def _note(self, call: Call, status: int, request_id: str) -> None:
        """Count the request and write its line, once it is answered."""
        elapsed = time.perf_counter() - call.started
        call.count(self._services.engine.measures, status, elapsed)
        event = {
            "action": "predict",
            "outcome": "success" if status < 400 else "failure",
            "duration": int(elapsed * 1e9),  # nanoseconds, as ECS has it
            "method": call.request.method,
            "path": call.request.path,
            "status": status,
            "model": call.model,
            "version": call.version,
            "variant": call.variant,
            "principal": call.principal.id if call.principal else "",
            "items": call.items,
            "bytes": call.request.received,
        }
        self._log(f"{call.request.method} {call.request.path} {status}", request_id, event)


def _is_oip(path: str) -> bool:
    return v2.handles(path) or v1.handles(path)


async def _answer(call: Call) -> Response:
    path = call.request.path
    if v2.handles(path):
        return await v2.answer(call)
    if v1.handles(path):
        return await v1.answer(call)
    match = _PREDICT.fullmatch(path)
    if match is None:
        raise Problem(404, N_("There is nothing here."))
    if call.request.method != "POST":
        raise Problem(
            405,
            N_("“%(method)s” is not allowed here: use POST."),
            method=call.request.method,
            headers={"Allow": "POST"},
        )
    return await predict(call, match["name"])
