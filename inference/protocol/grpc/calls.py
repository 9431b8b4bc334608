"""One call: what is known of it, who makes it, and the status that a failure becomes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

import grpc

from aihub import request_context
from aihub.problems import N_, Problem
from inference.protocol.asked import Asked
from inference.protocol.serving import Gone
from inference.protocol.types import Services
from inference.protocol.v2.errors import error_text

logger = logging.getLogger(__name__)

Context = Any  # grpc.aio.ServicerContext
Log = Callable[[str, str, Mapping[str, Any]], None]  # message, request id, ECS's event
T = TypeVar("T")

REQUEST_ID = "x-request-id"
RETRY_AFTER = "retry-after"
_INFERENCES = ("ModelInfer", "ModelStreamInfer")
_MAY_BE_STALE = (401, 403)
_Code = grpc.StatusCode
_CODES = {
    401: _Code.UNAUTHENTICATED,
    403: _Code.PERMISSION_DENIED,
    404: _Code.NOT_FOUND,
    409: _Code.FAILED_PRECONDITION,
    413: _Code.RESOURCE_EXHAUSTED,
    429: _Code.RESOURCE_EXHAUSTED,
    500: _Code.INTERNAL,
    503: _Code.UNAVAILABLE,
    504: _Code.DEADLINE_EXCEEDED,
}


@dataclass(slots=True)
class Call(Asked):
    """What is known of a call so far, for its answer and for the log.

    `deadline` is a time of `time.monotonic`; `received` is in bytes.
    """

    method: str
    services: Services
    log: Log
    headers: dict[bytes, bytes]
    peer: str
    deadline: float | None = None
    started: float = field(default_factory=time.perf_counter)
    request_id: str = ""
    received: int = 0

    @classmethod
    def begun(cls, method: str, services: Services, log: Log, context: Context) -> "Call":
        """The call of a context. Its metadata are what headers are to HTTP."""
        headers = {
            name.encode(): value.encode() if isinstance(value, str) else value
            for name, value in context.invocation_metadata()
        }
        given = headers.get(REQUEST_ID.encode(), b"").decode("latin-1")
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        return cls(
            method,
            services,
            log,
            headers,
            _address(context.peer()),
            deadline,
            request_id=request_context.request_id_from(given),
            predicts=method in _INFERENCES,
        )

    async def authenticate(self) -> None:
        """Know the caller; Problem 401. Nobody is turned away for what is not known here yet."""
        try:
            self.principal = self.services.authenticate(self.headers)
        except Problem as problem:
            if problem.status not in _MAY_BE_STALE:
                raise
            await self.services.freshen()
            self.principal = self.services.authenticate(self.headers)


async def outcome(call: Call, work: Awaitable[T]) -> T | Problem:
    """What the work answers, or the Problem that it ends in, whatever happens."""
    try:
        return await work
    except Problem as problem:
        return problem
    except Gone:
        call.count_left(call.services.engine.measures)
        raise asyncio.CancelledError from None
    except asyncio.CancelledError:
        call.count_left(call.services.engine.measures)
        raise
    except Exception:
        logger.exception("%s failed", call.method)
        return Problem(500, N_("The hub failed; its log names this request by its id."))


async def end(call: Call, context: Context, answer: T | Problem) -> T:
    """Give back the call's answer; a Problem ends the call with its status."""
    trailers: tuple[tuple[str, str], ...] = ((REQUEST_ID, call.request_id),)
    if not isinstance(answer, Problem):
        context.set_trailing_metadata(trailers)
        return answer
    if retry_after := answer.headers.get("Retry-After"):
        trailers += ((RETRY_AFTER, retry_after),)
    await context.abort(code_of(answer), error_text(answer), trailers)
    raise AssertionError  # `abort` raises


def code_of(problem: Problem) -> grpc.StatusCode:
    """The status of gRPC that says what the status of HTTP does."""
    return _CODES.get(problem.status, _Code.INVALID_ARGUMENT)


def note(call: Call, answer: object) -> None:
    """Count the request and write its line, once its answer is known."""
    elapsed = time.perf_counter() - call.started
    problem = answer if isinstance(answer, Problem) else None
    status = problem.status if problem else 200
    if problem:
        call.failed(problem)
    call.count(call.services.engine.measures, status, elapsed)
    event = {
        "action": "predict",
        "outcome": "failure" if problem else "success",
        "duration": int(elapsed * 1e9),  # nanoseconds, as ECS has it
        "status": status,
        "model": call.model,
        "version": call.version,
        "variant": call.variant,
        "principal": call.principal.id if call.principal else "",
        "items": call.items,
        "bytes": call.received,
    }
    call.log(f"gRPC {call.method} {status}", call.request_id, event)


def _address(peer: str) -> str:
    """The address in `ipv4:192.0.2.1:5000` or `ipv6:%5B::1%5D:5000`."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
