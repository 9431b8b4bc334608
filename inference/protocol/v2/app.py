"""The protocol over REST: every path with its method."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aihub.problems import N_, Problem
from inference.protocol.calls import Call
from inference.protocol.off_loop import off_loop
from inference.protocol.requests import Request
from inference.protocol.responses import Response
from inference.protocol.v2 import compression, models, repository
from inference.protocol.v2.infer import infer
from inference.protocol.v2.paths import Target, handles, target_of

__all__ = ["answer", "check_method", "handles"]

Handler = Callable[[Call, Target], Awaitable[Response]]
ENDPOINTS: Final[Mapping[str, tuple[str, Handler]]] = {
    "": ("GET", models.server),
    "health/live": ("GET", models.health),
    "health/ready": ("GET", models.health),
    "models": ("GET", models.models),
    "models/stats": ("GET", models.all_statistics),
    "model": ("GET", models.model),
    "model/ready": ("GET", models.ready),
    "model/config": ("GET", models.config),
    "model/stats": ("GET", models.statistics),
    "model/infer": ("POST", infer),
    "repository/index": ("POST", repository.index),
    "load": ("POST", repository.load),
    "unload": ("POST", repository.unload),
}


async def answer(call: Call) -> Response:
    """The answer to any request under `/v2`; Problem for whatever is wrong with it."""
    target = target_of(call.request.path)
    if target is None:
        raise Problem(404, N_("There is nothing here."))
    method, handler = ENDPOINTS[target.what]
    check_method(call.request, method)
    response = await handler(call, target)
    if len(response.body) < compression.WORTHWHILE:
        return response
    return await _compressed(call, response)


def check_method(request: Request, allowed: str) -> None:
    """Problem 405 for any other method."""
    if request.method != allowed:
        raise Problem(
            405,
            N_("“%(method)s” is not allowed here: use %(allowed)s."),
            method=request.method,
            allowed=allowed,
            headers={"Allow": allowed},
        )


async def _compressed(call: Call, response: Response) -> Response:
    encoding = compression.accepted(call.request.header(b"accept-encoding"))
    if not encoding:
        return response
    body, size = response.body, len(response.body)
    body = await off_loop(call.services, size, compression.compressed, body, encoding)
    headers = {**response.headers, "content-encoding": encoding}
    return Response(response.status, body, response.content_type, headers)
