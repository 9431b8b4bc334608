"""What every transport does alike: who may call what, a place in the queue, inputs, outputs."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aihub.access import Action, Principal
from aihub.metrics import Limited
from aihub.problems import N_, Problem
from inference.engine.engine import Gone, Ticket
from inference.engine.handle import Handle
from inference.engine.pool import key_of
from inference.protocol import pictures
from inference.protocol.pictures import Encoded
from inference.protocol.types import Services
from inference.routing import ModelRoute, VersionRoute
from inference.runtimes.base import Arrays
from inference.signature import described
from registry.preprocessing import Preprocessing

__all__ = ["Admitted", "Gone", "Ticket", "admit", "deadline_after", "enter"]

TIMEOUT_HEADER = b"x-request-timeout-ms"
MAX_TEXT = 1_000_000  # bytes of one text
_MAY_BE_STALE = (401, 403, 404, 409)
_MAX_TIMEOUT_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller, and the version that they asked for and may call."""

    principal: Principal
    route: ModelRoute
    version: VersionRoute


async def admit(
    services: Services,
    headers: dict[bytes, bytes],
    name: str,
    version: str | None = None,
    alias: str | None = None,
    action: Action = Action.PREDICT,
) -> Admitted:
    """Who calls, and which version is meant. Nobody is turned away for a change unknown here yet.

    Problem 401, 404 for what one may not see, 403 for what one may not do, 409 for what is not
    ready, 421 for a model of another pool of replicas.
    """
    try:
        return _admitted(services, headers, name, version, alias, action)
    except Problem as problem:
        if problem.status not in _MAY_BE_STALE:
            raise
    await services.freshen()
    return _admitted(services, headers, name, version, alias, action)


def _admitted(
    services: Services,
    headers: dict[bytes, bytes],
    name: str,
    version: str | None,
    alias: str | None,
    action: Action,
) -> Admitted:
    principal = services.authenticate(headers)
    route = services.engine.routes().get(name)
    if route is None or not principal.may(action, route):
        raise _denied(principal, route, name)
    if not services.serves(route):
        raise Problem(
            421,
            N_("“%(model)s” is served by the replicas of the pool “%(pool)s”, not by this one."),
            model=route.name,
            pool=route.pool or "-",
        )
    return Admitted(principal, route, route.resolve(version, alias))


def _denied(principal: Principal, route: ModelRoute | None, name: str) -> Problem:
    """403 for what they may not do; 404 where they may do nothing, or there is nothing."""
    if route is None or not any(principal.may(action, route) for action in Action):
        return Problem(404, N_("There is no model “%(name)s”."), name=name[:100])
    return Problem(403, N_("You may not call “%(model)s”."), model=route.name)


async def enter(services: Services, admitted: Admitted) -> Ticket:
    """A place with the version, before any body is read; Problem 409 or 503."""
    return await services.engine.enter(admitted.route, admitted.version)


async def prefetch(services: Services, admitted: Admitted) -> None:
    """Bring the version into memory; errors as for a prediction."""
    await services.engine.prefetch(admitted.route, admitted.version)


async def evict(services: Services, admitted: Admitted) -> None:
    """Take the version out of memory; Problem 409 while calls are under way."""
    if not services.engine.pool.evict(key_of(admitted.version)):
        raise Problem(
            409, N_("“%(model)s” is answering calls at the moment."), model=admitted.route.name
        )


def deadline_after(milliseconds: str) -> float | None:
    """The time of `time.monotonic` that a header allows; Problem 400 for what is no number."""
    if not milliseconds:
        return None
    if not (milliseconds.isascii() and milliseconds.isdecimal()) or not (
        1 <= int(milliseconds[:9]) <= _MAX_TIMEOUT_MS
    ):
        raise Problem(
            400,
            N_("“X-Request-Timeout-Ms” must be a whole number from 1 to %(most)s."),
            most=_MAX_TIMEOUT_MS,
        )
    return time.monotonic() + int(milliseconds) / 1000


async def inputs_from_items(
    services: Services, ticket: Ticket, items: Sequence[Encoded], field: str = "inputs"
) -> Arrays:
    """The model's inputs of N encoded images, or of N texts; Problem 415 or 422."""
    check_items(services, len(items))
    if ticket.handle.spec.takes_texts:
        return await _from_texts(services, ticket.handle, items)
    batch = await pictures.batch_of(
        items,
        preprocessing_of(ticket.handle),
        pixels=services.limits.pixels,
        field=field,
        workers=services.workers,
    )
    return {ticket.handle.signature.inputs[0].name: batch}


def check_items(services: Services, items: int) -> None:
    """Problem 422 for more images or texts than a request may have."""
    most = services.limits.items
    if items > most:
        raise Limited(
            "items", 422, N_("Send at most %(most)s images or texts a request."), most=most
        )


def preprocessing_of(handle: Handle) -> Preprocessing:
    """How pictures become the model's input; Problem 415 where it takes none."""
    found = handle.spec.preprocessing
    if found is None or not handle.spec.takes_images:
        raise Problem(
            415,
            N_("“%(model)s” takes no images: send application/json with these inputs: %(inputs)s."),
            model=handle.spec.model,
            inputs=described(handle.signature.inputs),
        )
    return found


async def _from_texts(services: Services, handle: Handle, items: Sequence[Encoded]) -> Arrays:
    texts = [_text(item, index) for index, item in enumerate(items)]
    if handle.encoder is None:
        raise Problem(409, N_("The version has no tokenizer."))
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(services.workers, handle.encoder.encode, texts)


def _text(item: Encoded, index: int) -> str:
    try:
        text = item.decode() if isinstance(item, bytes) else item
        text.encode()
    except UnicodeError:
        raise Problem(422, N_("Text %(number)s is not UTF-8."), number=index + 1) from None
    if len(text) > MAX_TEXT:
        raise Problem(422, N_("Text %(number)s is too long."), number=index + 1)
    return text
