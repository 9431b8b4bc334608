"""The prediction of one request, from its head to its answer."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from aihub.access import Action, Principal
from aihub.problems import N_, Problem
from inference.engine.pool import LoadedHandle
from inference.protocol import answers, multipart, pictures, tensors
from inference.protocol.query import Query, parse_query
from inference.protocol.requests import MULTIPART, Request
from inference.protocol.responses import Response, json_response
from inference.protocol.types import Services
from inference.routing import ModelRoute, VersionRoute
from inference.runtimes.base import RUN_LIMIT, Arrays, TooSlow, Unfit
from registry.preprocessing import Preprocessing

logger = logging.getLogger(__name__)

_MAY_BE_STALE = (401, 403, 404, 409)
INLINE = 64 * 1024  # bytes of JSON that are read faster than another thread is asked


@dataclass(slots=True)
class Call:
    """What is known of a call so far, for its answer and for the log."""

    request: Request
    services: Services
    name: str  # of the model, as in the path
    started: float
    principal: Principal | None = None
    version: str = ""
    items: int = 0


async def predict(call: Call) -> Response:
    """Answer a POST; Problem for every way in which it may fail. Cheap checks come first."""
    route, query, version = await _admitted(call)
    call.version = version.version
    call.request.check_head()
    handle = await call.services.pool.get(version)
    top = _top(handle, query)
    inputs = await _read_inputs(call, handle)
    outputs = await _run(handle, inputs)
    return _answer(call, route, version, _predictions(handle, outputs, call.items, top))


async def _admitted(call: Call) -> tuple[ModelRoute, Query, VersionRoute]:
    """Whom and what to answer. Nobody is turned away for a change that is not known here yet."""
    try:
        return _resolved(call)
    except Problem as problem:
        if problem.status not in _MAY_BE_STALE:
            raise
    await call.services.freshen()
    return _resolved(call)


def _resolved(call: Call) -> tuple[ModelRoute, Query, VersionRoute]:
    """Who calls, what they may see (404) and do (403), what they ask (400), what answers (409)."""
    principal = call.principal = call.services.authenticate(call.request.headers)
    route = call.services.routes().get(call.name)
    if route is None or not any(principal.may(action, route) for action in Action):
        raise Problem(404, N_("There is no model “%(name)s”."), name=call.name[:100])
    if not principal.may(Action.PREDICT, route):
        raise Problem(403, N_("You may not call “%(model)s”."), model=route.name)
    query = parse_query(call.request.query)
    return route, query, route.resolve(query.version, query.alias)


def _top(handle: LoadedHandle, query: Query) -> int:
    if handle.spec.takes_images:
        return query.best(handle.spec.num_classes or 1)
    if query.top is not None:
        raise Problem(400, N_("“top” is for classifiers of images."))
    return 0


async def _read_inputs(call: Call, handle: LoadedHandle) -> Arrays:
    if call.request.content_type == MULTIPART:
        _preprocessing(handle)  # before the body is read
        images = await multipart.read_images(
            call.request.header("content-type"),
            call.request.chunks(),
            call.services.limits.items,
        )
        return await _from_images(call, handle, images, multipart.FIELD)
    body = await call.request.body()
    value = await _off_loop(call, len(body), parse_json, body)
    if handle.spec.takes_images and _is_texts(value):
        _check_items(call, len(value))
        return await _from_images(call, handle, value, tensors.FIELD)
    inputs: Arrays = await _off_loop(
        call, len(body), tensors.read_tensors, value, handle.signature.inputs
    )
    first = next(iter(inputs.values()))
    call.items = len(first) if first.ndim else 1
    if handle.spec.takes_images:
        _check_items(call, call.items)
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


async def _off_loop(call: Call, size: int, function: Any, *arguments: Any) -> Any:
    """Run in a worker thread what would hold up the loop."""
    if size <= INLINE:
        return function(*arguments)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(call.services.workers, function, *arguments)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(v) is str for v in value)


def _check_items(call: Call, items: int) -> None:
    most = call.services.limits.items
    if items > most:
        raise Problem(422, N_("Send at most %(most)s images a request."), most=most)


async def _from_images(
    call: Call, handle: LoadedHandle, images: Sequence[pictures.Encoded], field: str
) -> Arrays:
    call.items = len(images)
    preprocessing = _preprocessing(handle)
    batch = await pictures.batch_of(
        images,
        preprocessing,
        pixels=call.services.limits.pixels,
        field=field,
        workers=call.services.workers,
    )
    return {handle.signature.inputs[0].name: batch}


def _preprocessing(handle: LoadedHandle) -> Preprocessing:
    found = handle.spec.preprocessing
    if found is None or not handle.spec.takes_images:
        raise Problem(
            415,
            N_("“%(model)s” takes no images: send application/json with these inputs: %(inputs)s."),
            model=handle.spec.model,
            inputs=tensors.described(handle.signature.inputs),
        )
    return found


async def _run(handle: LoadedHandle, inputs: Arrays) -> Arrays:
    try:
        return await handle.run(inputs)
    except Unfit as error:
        logger.warning("%s cannot compute an input: %s", handle.spec.model, error)
        raise Problem(
            422,
            N_("The model cannot compute these inputs. It takes %(inputs)s."),
            inputs=tensors.described(handle.signature.inputs),
        ) from error
    except TooSlow:
        raise Problem(
            504,
            N_("The model took longer than %(limit)s seconds for these inputs."),
            limit=round(RUN_LIMIT),
        ) from None


def _predictions(handle: LoadedHandle, outputs: Arrays, items: int, top: int) -> list[Any]:
    if handle.spec.takes_images:
        return list(answers.ranked(outputs, handle.spec, handle.signature, top))
    return answers.rows(outputs, items)


def _answer(
    call: Call, route: ModelRoute, version: VersionRoute, predictions: list[Any]
) -> Response:
    return json_response(
        {
            "model": route.name,
            "version": version.version,
            "predictions": predictions,
            "latency_ms": round((time.perf_counter() - call.started) * 1000, 3),
        }
    )
