"""What each RPC of `inference.GRPCInferenceService` answers."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aihub.access import Action
from aihub.problems import Problem
from inference.protocol.grpc import codec
from inference.protocol.grpc.calls import Call, Log
from inference.protocol.grpc.handlers import Method, stream, unary
from inference.protocol.grpc.messages import Message, message_class
from inference.protocol.off_loop import off_loop
from inference.protocol.serving import Admitted, Ticket, admit, enter, evict, prefetch
from inference.protocol.types import Services
from inference.protocol.v2 import inputs, metadata, outputs
from inference.protocol.v2.repository import index_entries
from inference.protocol.v2.statistics import model_statistics as statistics_of
from inference.routing import ModelRoute


def handlers(services: Services, log: Log) -> dict[str, Any]:
    """gRPC's handlers by the name of their RPC."""
    found = {name: unary(services, log, name, method) for name, method in _METHODS.items()}
    for name, method in _PUBLIC.items():
        found[name] = unary(services, log, name, method, public=True)
    found["ModelStreamInfer"] = stream(services, log, "ModelStreamInfer", model_infer)
    return found


async def server_live(call: Call, request: Message) -> Message:
    return _response("ServerLive", live=True)


async def server_ready(call: Call, request: Message) -> Message:
    return _response("ServerReady", ready=True)


async def server_metadata(call: Call, request: Message) -> Message:
    return _response("ServerMetadata", **metadata.SERVER)


async def model_ready(call: Call, request: Message) -> Message:
    """False for a version that is not ready and for one that is not there, as Triton answers."""
    try:
        await _admitted(call, request.name, request.version, Action.READ)
    except Problem as problem:
        if problem.status not in (404, 409):
            raise
        return _response("ModelReady", ready=False)
    return _response("ModelReady", ready=True)


async def model_metadata(call: Call, request: Message) -> Message:
    async with _entered(call, request.name, request.version, Action.READ) as ticket:
        return _response("ModelMetadata", **metadata.model_metadata(ticket))


async def model_config(call: Call, request: Message) -> Message:
    async with _entered(call, request.name, request.version, Action.READ) as ticket:
        config = metadata.model_config(ticket, call.services.limits.items)
        return _response("ModelConfig", config=config)


async def model_infer(call: Call, request: Message) -> Message:
    """Run the model; Problem for every way in which it may fail. Cheap checks come first."""
    wanted, deadline = codec.wanted_of(request), _deadline(call, request)
    async with _entered(call, request.model_name, request.model_version) as ticket:
        ticket.read()
        spec, signature = ticket.handle.spec, ticket.handle.signature
        outputs.check_wanted(wanted, signature)
        tensors = await off_loop(call.services, call.received, codec.tensors_of, request)
        given = await inputs.bound(call.services, ticket, tensors)
        call.items = max((len(array) for array in given.values() if array.ndim), default=1)
        answered = outputs.chosen(
            await ticket.run(given, deadline=deadline), wanted, spec, signature
        )
        size = sum(tensor.array.nbytes for tensor in answered)
        head = {
            "model_name": ticket.route.name,
            "model_version": ticket.version.version,
            "id": request.id,
        }
        return await off_loop(call.services, size, codec.response_of, answered, head)


async def model_statistics(call: Call, request: Message) -> Message:
    """Of the version that is named, else of every version of the model, else of all models."""
    engine = call.services.engine
    if not request.name:
        found = [entry for route in _visible(call) for entry in statistics_of(engine, route)]
    else:
        admitted = await _admitted(call, request.name, request.version, Action.READ)
        version = admitted.version if request.version else None
        found = statistics_of(engine, admitted.route, version)
    return _response("ModelStatistics", model_stats=found)


async def repository_index(call: Call, request: Message) -> Message:
    """Every version of every model that the caller may see; only those ready if so asked."""
    entries = [entry for route in _visible(call) for entry in index_entries(route)]
    shown = [e for e in entries if e["state"] == "READY" or not request.ready]
    return _response("RepositoryIndex", models=shown)


async def repository_load(call: Call, request: Message) -> Message:
    """Have the model in memory when this answers."""
    await prefetch(call.services, await _admitted(call, request.model_name, "", Action.PUBLISH))
    return _response("RepositoryModelLoad")


async def repository_unload(call: Call, request: Message) -> Message:
    """Have the model leave memory, unless it is in use; the next call loads it again."""
    await evict(call.services, await _admitted(call, request.model_name, "", Action.PUBLISH))
    return _response("RepositoryModelUnload")


_PUBLIC: Final[Mapping[str, Method]] = {
    "ServerLive": server_live,
    "ServerReady": server_ready,
    "ServerMetadata": server_metadata,
}
_METHODS: Final[Mapping[str, Method]] = {
    "ModelReady": model_ready,
    "ModelMetadata": model_metadata,
    "ModelInfer": model_infer,
    "ModelConfig": model_config,
    "ModelStatistics": model_statistics,
    "RepositoryIndex": repository_index,
    "RepositoryModelLoad": repository_load,
    "RepositoryModelUnload": repository_unload,
}


def _response(rpc: str, **fields: Any) -> Message:
    return message_class(f"{rpc}Response")(**fields)


def _visible(call: Call) -> list[ModelRoute]:
    """Every model that the caller may see and that this replica serves, by name."""
    assert call.principal  # these calls are not public
    routes = sorted(call.services.engine.routes().models.items())
    mine = (route for _, route in routes if call.services.serves(route))
    return [route for route in mine if call.principal.may(Action.READ, route)]


async def _admitted(
    call: Call, name: str, version: str, action: Action = Action.PREDICT
) -> Admitted:
    admitted = await admit(call.services, call.headers, name, version or None, action=action)
    call.admitted(admitted)
    return admitted


@asynccontextmanager
async def _entered(
    call: Call, name: str, version: str, action: Action = Action.PREDICT
) -> AsyncIterator[Ticket]:
    """A place with the version, given back at the end."""
    ticket = await enter(call.services, await _admitted(call, name, version, action))
    call.entered(ticket)
    try:
        yield ticket
    finally:
        ticket.leave()


def _deadline(call: Call, request: Message) -> float | None:
    """The earlier of the call's own and of the parameter `timeout`, a time of `time.monotonic`."""
    timeout = codec.timeout_of(request)
    if timeout is None:
        return call.deadline
    own = time.monotonic() + timeout
    return own if call.deadline is None else min(own, call.deadline)
