"""An inference over REST, from its head to its answer."""

import time

from aihub.problems import N_, Problem
from inference.protocol import serving
from inference.protocol.calls import Call
from inference.protocol.off_loop import off_loop
from inference.protocol.predict import DEGRADED
from inference.protocol.responses import Response
from inference.protocol.serving import Ticket
from inference.protocol.v2 import body
from inference.protocol.v2.infer_answer import HEADER_LENGTH, infer_answer
from inference.protocol.v2.infer_request import InferRequest, parse
from inference.protocol.v2.inputs import bound
from inference.protocol.v2.outputs import check_wanted, chosen
from inference.protocol.v2.paths import Target

_HEADER_LENGTH = HEADER_LENGTH.encode()


async def infer(call: Call, target: Target) -> Response:
    """Answer a POST; Problem for every way in which it may fail. Cheap checks come first."""
    call.predicts = True
    services, request = call.services, call.request
    admitted = await serving.admit(services, request.headers, target.name, target.version)
    call.admitted(admitted)
    body.check_head(request, services)
    header_length = _header_length(request.headers.get(_HEADER_LENGTH))
    deadline = serving.deadline_after(request.header(serving.TIMEOUT_HEADER))
    ticket = await serving.enter(services, admitted)
    try:
        call.entered(ticket)
        content = await body.read_body(request, services)
        ticket.read()
        asked = await off_loop(services, len(content), parse, content, header_length)
        response = await _answered(call, ticket, asked, _earlier(deadline, asked.timeout))
    finally:
        ticket.leave()
    if ticket.degraded:
        response.headers[DEGRADED] = f"{admitted.route.name}/{admitted.version.version}"
    return response


async def _answered(
    call: Call, ticket: Ticket, asked: InferRequest, deadline: float | None
) -> Response:
    spec, signature = ticket.handle.spec, ticket.handle.signature
    if asked.outputs:
        check_wanted(asked.outputs, signature)
    call.items = asked.items
    inputs = await bound(call.services, ticket, asked.inputs)
    outputs = await ticket.run(inputs, deadline=deadline, receive=call.request.receive)
    tensors = chosen(outputs, asked.outputs, spec, signature)
    binary = [w.binary for w in asked.outputs] or [asked.binary] * len(tensors)
    names = (ticket.route.name, ticket.version.version, asked.id)
    size = sum(tensor.array.nbytes for tensor in tensors)
    return await off_loop(call.services, size, infer_answer, *names, tensors, binary)


def _earlier(deadline: float | None, timeout: int | None) -> float | None:
    """The deadline, or the end of so many microseconds from now where that comes before."""
    if timeout is None:
        return deadline
    end = time.monotonic() + timeout / 1e6
    return end if deadline is None else min(end, deadline)


def _header_length(header: bytes | None) -> int | None:
    if header is None:
        return None
    if not header.isdigit() or len(header) > 18:
        raise Problem(400, N_("“Inference-Header-Content-Length” must be a number of bytes."))
    return int(header)
