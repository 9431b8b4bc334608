"""The prediction of one request, from its head to its answer."""

import time
from typing import Any

import orjson

from aihub.problems import N_, Problem
from inference.engine.handle import Handle
from inference.protocol import answers, multipart, serving, tensors
from inference.protocol.calls import Call
from inference.protocol.off_loop import off_loop
from inference.protocol.query import Query, parse_query
from inference.protocol.requests import MULTIPART
from inference.protocol.responses import Response, json_response
from inference.protocol.serving import Ticket
from inference.runtimes.base import Arrays

DEGRADED = "x-aihub-instead-of"  # the version that was asked for, where another answers


async def predict(call: Call, name: str) -> Response:
    """Answer a POST; Problem for every way in which it may fail. Cheap checks come first."""
    call.predicts = True
    query = parse_query(call.request.query)
    admitted = await serving.admit(
        call.services, call.request.headers, name, query.version, query.alias
    )
    call.admitted(admitted)
    call.request.check_head()
    deadline = serving.deadline_after(call.request.header(serving.TIMEOUT_HEADER))
    ticket = await serving.enter(call.services, admitted)
    try:
        call.entered(ticket)
        top = _top(ticket.handle, query)
        inputs = await _read_inputs(call, ticket)
        outputs = await ticket.run(inputs, deadline=deadline, receive=call.request.receive)
        response = _answer(call, ticket, _predictions(ticket.handle, outputs, call.items, top))
    finally:
        ticket.leave()
    if ticket.degraded:
        response.headers[DEGRADED] = f"{admitted.route.name}/{admitted.version.version}"
    return response


def _top(handle: Handle, query: Query) -> int:
    if handle.spec.classifies:
        return query.best(handle.spec.num_classes or 1)
    if query.top is not None:
        raise Problem(400, N_("“top” is for classifiers."))
    return 0


async def _read_inputs(call: Call, ticket: Ticket) -> Arrays:
    handle = ticket.handle
    if call.request.content_type == MULTIPART:
        serving.preprocessing_of(handle)  # before the body is read
        images = await multipart.read_images(
            call.request.header(b"content-type"),
            call.request.chunks(),
            call.services.limits.items,
        )
        ticket.read()
        call.items = len(images)
        return await serving.inputs_from_items(call.services, ticket, images, multipart.FIELD)
    body = await call.request.body()
    ticket.read()
    value: Any = await off_loop(call.services, len(body), parse_json, body)
    if (handle.spec.takes_images or handle.spec.takes_texts) and _is_texts(value):
        call.items = len(value)
        return await serving.inputs_from_items(call.services, ticket, value, tensors.FIELD)
    inputs: Arrays = await off_loop(
        call.services, len(body), tensors.read_tensors, value, handle.signature.inputs
    )
    first = next(iter(inputs.values()))
    call.items = len(first) if first.ndim else 1
    if handle.spec.takes_images:
        serving.check_items(call.services, call.items)
    return inputs


def parse_json(body: bytes) -> object:
    """The value of `inputs`; Problem 400 for what is no JSON, 422 for JSON of another form."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, N_("The body is not JSON: %(error)s."), error=str(error)) from None
    if not isinstance(value, dict) or set(value) != {"inputs"}:
        raise Problem(422, N_("The body must be a JSON object with “inputs”, and nothing else."))
    return value["inputs"]


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(v) is str for v in value)


def _predictions(handle: Handle, outputs: Arrays, items: int, top: int) -> list[Any]:
    if handle.spec.classifies:
        return list(answers.ranked(outputs, handle.spec, handle.signature, top))
    return answers.rows(outputs, items)


def _answer(call: Call, ticket: Ticket, predictions: list[Any]) -> Response:
    return json_response(
        {
            "model": ticket.route.name,
            "version": ticket.version.version,
            "predictions": predictions,
            "latency_ms": round((time.perf_counter() - call.started) * 1000, 3),
        }
    )
