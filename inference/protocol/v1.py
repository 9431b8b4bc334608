"""KServe's first protocol: `POST /v1/models/{name}:predict`, and which models there are.

Beyond it, `?version=` and `?alias=` say which version answers.
"""

from typing import Any

import orjson

from aihub.access import Action
from aihub.problems import N_, Problem
from inference.engine.handle import Handle
from inference.protocol import answers, serving, tensors
from inference.protocol.calls import Call
from inference.protocol.off_loop import off_loop
from inference.protocol.predict import DEGRADED
from inference.protocol.query import WHICH, parse_query
from inference.protocol.responses import Response, json_response
from inference.protocol.serving import Ticket
from inference.protocol.v2 import body
from inference.protocol.v2.app import check_method
from inference.protocol.v2.models import plain, visible
from inference.runtimes.base import Arrays

_PREFIX = "/v1/models"
_VERB = ":predict"


def handles(path: str) -> bool:
    """Whether a path is this protocol's, known or not."""
    return path == _PREFIX or path.startswith(_PREFIX + "/")


async def answer(call: Call) -> Response:
    """The answer to any request under `/v1/models`; Problem for whatever is wrong with it."""
    name = call.request.path[len(_PREFIX) + 1 :].removesuffix("/")
    if "/" in name or name == _VERB:
        raise Problem(404, N_("There is nothing here."))
    if name.endswith(_VERB):
        check_method(call.request, "POST")
        return await _predict(call, name.removesuffix(_VERB))
    check_method(call.request, "GET")
    return await _ready(call, name) if name else await _models(call)


async def _models(call: Call) -> Response:
    return plain({"models": [route.name for route in await visible(call)]})


async def _ready(call: Call, name: str) -> Response:
    admitted = await serving.admit(call.services, call.request.headers, name, action=Action.READ)
    call.admitted(admitted)
    return plain({"name": admitted.route.name, "ready": True})


async def _predict(call: Call, name: str) -> Response:
    services, request = call.services, call.request
    call.predicts = True
    which = parse_query(request.query, WHICH)
    admitted = await serving.admit(services, request.headers, name, which.version, which.alias)
    call.admitted(admitted)
    body.check_head(request, services)
    deadline = serving.deadline_after(request.header(serving.TIMEOUT_HEADER))
    ticket = await serving.enter(services, admitted)
    try:
        call.entered(ticket)
        content = await body.read_body(request, services)
        ticket.read()
        instances = await off_loop(services, len(content), parse, content)
        call.items = len(instances)
        inputs = await _inputs(call, ticket, instances, len(content))
        outputs = await ticket.run(inputs, deadline=deadline, receive=request.receive)
    finally:
        ticket.leave()
    response = json_response({"predictions": answers.rows(outputs, call.items)})
    if ticket.degraded:
        response.headers[DEGRADED] = f"{admitted.route.name}/{admitted.version.version}"
    return response


def parse(content: bytes) -> list[Any]:
    """The instances of a body; Problem 400."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Problem(400, N_("The body is not JSON: %(error)s."), error=str(error)) from None
    instances = value.get("instances") if type(value) is dict else None
    if type(instances) is not list or not instances:
        raise Problem(400, N_("The body must be a JSON object with an array “instances”."))
    return instances


async def _inputs(call: Call, ticket: Ticket, instances: list[Any], size: int) -> Arrays:
    """Pictures as `{"b64": …}`, texts as strings, and tensors as `to_tensors` reads them."""
    handle = ticket.handle
    items = _items(handle, instances)
    if items is not None:
        return await serving.inputs_from_items(call.services, ticket, items, "instances")
    if handle.spec.takes_images:
        serving.check_items(call.services, len(instances))
    return await off_loop(call.services, size, to_tensors, instances, handle)


def _items(handle: Handle, instances: list[Any]) -> list[str] | None:
    if handle.spec.takes_images:
        items: list[Any] = [i.get("b64") if type(i) is dict else None for i in instances]
    else:
        items = instances if handle.spec.takes_texts else []
    return items if items and all(type(item) is str for item in items) else None


def to_tensors(instances: list[Any], handle: Handle) -> Arrays:
    """One row of the model's input an instance, or objects with a row for each input; 422."""
    specs = handle.signature.inputs
    if all(type(instance) is dict for instance in instances):
        names = {name for instance in instances for name in instance}
        by_name = {name: [i.get(name) for i in instances] for name in sorted(names)}
        return tensors.read_tensors(by_name, specs)
    return tensors.read_tensors(instances, specs)
