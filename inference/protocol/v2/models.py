"""What the hub and its models say of themselves, over REST."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from aihub.access import Action, Principal
from aihub.problems import Problem
from inference.protocol.calls import Call
from inference.protocol.responses import Response
from inference.protocol.serving import Admitted, Ticket, admit, enter
from inference.protocol.types import Services
from inference.protocol.v2 import metadata
from inference.protocol.v2.paths import Target
from inference.protocol.v2.statistics import model_statistics
from inference.routing import ModelRoute


async def server(call: Call, target: Target) -> Response:
    """Name, version and extensions."""
    return plain(metadata.SERVER)


async def health(call: Call, target: Target) -> Response:
    """Whoever gets this answer has reached a server that lives and is ready: it started."""
    return plain({"live": True, "ready": True})


async def models(call: Call, target: Target) -> Response:
    """The names of all models that the caller may see."""
    return plain({"models": [route.name for route in await visible(call)]})


async def all_statistics(call: Call, target: Target) -> Response:
    """The statistics of every model that the caller may see."""
    engine = call.services.engine
    found = [entry for r in await visible(call) for entry in model_statistics(engine, r)]
    return plain({"model_stats": found})


async def model(call: Call, target: Target) -> Response:
    """Versions, inputs and outputs of a model."""
    async with _entered(call, target) as ticket:
        return plain(metadata.model_metadata(ticket))


async def config(call: Call, target: Target) -> Response:
    """Triton's configuration of a model."""
    async with _entered(call, target) as ticket:
        return plain(metadata.model_config(ticket, call.services.limits.items))


async def statistics(call: Call, target: Target) -> Response:
    """The statistics of the version that is named, else of every version of the model."""
    admitted = await _reader(call, target)
    version = admitted.version if target.version else None
    found = model_statistics(call.services.engine, admitted.route, version)
    return plain({"model_stats": found})


async def ready(call: Call, target: Target) -> Response:
    """Problem unless the version can be called; it is loaded when it is first needed."""
    admitted = await _reader(call, target)
    return plain({"name": admitted.route.name, "ready": True})


async def visible(call: Call) -> list[ModelRoute]:
    """Every model that the caller may see and that this replica serves, by name; Problem 401."""
    principal = call.principal = await _caller(call.services, call.request.headers)
    routes = call.services.engine.routes().models
    return [
        route
        for _, route in sorted(routes.items())
        if principal.may(Action.READ, route) and call.services.serves(route)
    ]


def plain(content: Mapping[str, Any] | list[Any]) -> Response:
    """200 with this JSON."""
    return Response(200, orjson.dumps(content))


async def _caller(services: Services, headers: dict[bytes, bytes]) -> Principal:
    try:
        return services.authenticate(headers)
    except Problem:
        await services.freshen()
    return services.authenticate(headers)


async def _reader(call: Call, target: Target) -> Admitted:
    admitted = await admit(
        call.services, call.request.headers, target.name, target.version, action=Action.READ
    )
    call.admitted(admitted)
    return admitted


@asynccontextmanager
async def _entered(call: Call, target: Target) -> AsyncIterator[Ticket]:
    """The version in memory: what it takes is known once it was loaded."""
    ticket = await enter(call.services, await _reader(call, target))
    try:
        yield ticket
    finally:
        ticket.leave()
