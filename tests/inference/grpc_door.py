"""A door's gRPC server on a port of its own, and real clients of it."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from inference.protocol.grpc.server import GrpcServer
from tests.inference.door import Door

VIEWER = {"authorization": "viewer"}
Client = InferenceServerClient


class GrpcDoor:
    """Serves what a door has, in the door's event loop."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.lines: list[tuple[str, str, Any]] = []
        log = lambda *line: self.lines.append(line)  # noqa: E731
        self.server = GrpcServer(door.services, "127.0.0.1", 0, log=log)

    def __enter__(self) -> Self:
        self.door.run(self.server.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.door.run(self.server.stop(1.0))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def run(self, work: Callable[[Client], Any]) -> Any:
        """What the work answers; it runs in a thread, with a client that blocks."""

        def with_client() -> Any:
            with InferenceServerClient(self.address) as client:
                return work(client)

        return self.door.run(asyncio.to_thread(with_client))

    def infer(self, model: str, *inputs: InferInput, **more: Any) -> Any:
        return self.run(lambda c: c.infer(model, list(inputs), **{"headers": VIEWER, **more}))

    def refused(self, work: Callable[[Client], Any]) -> tuple[str, str]:
        """The status and the words of the error that the work ends in."""
        with pytest.raises(InferenceServerException) as caught:
            self.run(work)
        return caught.value.status().removeprefix("StatusCode."), caught.value.message()

    def refused_infer(self, model: str, *inputs: InferInput, **more: Any) -> tuple[str, str]:
        return self.refused(lambda c: c.infer(model, list(inputs), **{"headers": VIEWER, **more}))

    def call(self, rpc: str, message: bytes, **more: Any) -> Any:
        """The answer to these very bytes, and the finished call."""

        def send() -> Any:
            with grpc.insecure_channel(self.address) as channel:
                unary = channel.unary_unary(f"/inference.GRPCInferenceService/{rpc}")
                return unary.with_call(message, timeout=20, **more)

        return self.door.run(asyncio.to_thread(send))


def tensor(name: str, array: np.ndarray, datatype: str = "FP32") -> InferInput:
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made
