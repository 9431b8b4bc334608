"""gRPC's handlers: a caller is known before a message is read, and every failure has a status."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from aihub import request_context
from aihub.problems import N_, Problem
from inference.protocol.grpc.calls import Call, Context, Log, end, note, outcome
from inference.protocol.grpc.messages import Message, message_class
from inference.protocol.off_loop import off_loop
from inference.protocol.types import Services
from inference.protocol.v2.errors import error_text

Method = Callable[[Call, Message], Awaitable[Message]]
Messages = AsyncIterator[bytes]
_InferRequest = message_class("ModelInferRequest")
_StreamResponse = message_class("ModelStreamInferResponse")


def unary(services: Services, log: Log, name: str, method: Method, *, public: bool = False) -> Any:
    """The handler of an RPC with one request and one answer; a public one asks for no identity.

    To gRPC it takes a stream, which is the same on the wire: a unary request would be read whole
    before anything is known of its caller.
    """
    request_class = message_class(f"{name}Request")

    async def answered(messages: Messages, context: Context) -> bytes:
        call = Call.begun(name, services, log, context)
        with request_context.use(call.request_id, call.peer):
            found = await outcome(call, work(call, messages))
            note(call, found)
            return await end(call, context, found)

    async def work(call: Call, messages: Messages) -> bytes:
        if not public:
            await call.authenticate()
        message = await anext(messages, None)
        if message is None:
            raise Problem(400, N_("The call ended before its request had come."))
        return await _answer(call, method, request_class, message)

    return grpc.stream_unary_rpc_method_handler(answered)


def stream(services: Services, log: Log, name: str, method: Method) -> Any:
    """The handler of an RPC that answers each inference request of a stream in turn.

    A request that fails is answered with its error, and the stream goes on.
    """

    async def answered(messages: Messages, context: Context) -> AsyncIterator[bytes]:
        call = Call.begun(name, services, log, context)
        with request_context.use(call.request_id, call.peer):
            await end(call, context, await outcome(call, call.authenticate()))
            async for message in messages:
                call = Call.begun(name, services, log, context)
                found = await outcome(call, _answer(call, streamed, _InferRequest, message))
                yield await end(call, context, found)

    async def streamed(call: Call, request: Message) -> Message:
        found = await outcome(call, method(call, request))
        note(call, found)
        if isinstance(found, Problem):
            return _StreamResponse(
                error_message=error_text(found), infer_response={"id": request.id}
            )
        return _StreamResponse(infer_response=found)

    return grpc.stream_stream_rpc_method_handler(answered)


async def _answer(call: Call, method: Method, request_class: Message, message: bytes) -> bytes:
    call.received = len(message)
    try:
        request = await off_loop(call.services, len(message), request_class.FromString, message)
    except DecodeError:
        raise Problem(400, N_("The message is not what this call takes.")) from None
    response = await method(call, request)
    encoded: bytes = await off_loop(call.services, response.ByteSize(), response.SerializeToString)
    return encoded
