"""The gRPC server: who may call, what it says of itself and of its models."""

import socket
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import model_config_pb2, service_pb2

from inference.protocol.grpc.server import GrpcServer
from tests.inference.door import Door
from tests.inference.grpc_door import VIEWER, GrpcDoor, tensor

PUBLISHER = {"authorization": "publisher"}
OUTSIDER = {"authorization": "outsider"}
ROWS = tensor("x", np.ones((1, 4), np.float32))


@pytest.fixture(scope="module")
def served(door: Door) -> Iterator[GrpcDoor]:
    with GrpcDoor(door) as opened:
        yield opened


def test_anyone_may_ask_how_the_server_is(served: GrpcDoor) -> None:
    assert served.run(lambda c: c.is_server_live())
    assert served.run(lambda c: c.is_server_ready())
    metadata = served.run(lambda c: c.get_server_metadata())
    assert metadata.name == "aihub"
    assert "binary_tensor_data" in metadata.extensions


def test_nobody_else_is_answered_without_an_identity(served: GrpcDoor) -> None:
    calls = [
        lambda c: c.is_model_ready("rows"),
        lambda c: c.get_model_metadata("rows"),
        lambda c: c.get_model_config("rows"),
        lambda c: c.get_inference_statistics(),
        lambda c: c.get_model_repository_index(),
        lambda c: c.load_model("rows"),
        lambda c: c.unload_model("rows"),
        lambda c: c.infer("rows", [ROWS]),
    ]
    for call in calls:
        assert served.refused(call) == ("UNAUTHENTICATED", "Sign in first.")


def test_a_stream_without_an_identity_ends_before_its_requests_are_read(served: GrpcDoor) -> None:
    async def work() -> Any:
        async with grpc.aio.insecure_channel(served.address) as channel:
            rpc = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
            call = rpc()  # nothing is ever sent
            return await call.code(), await call.details()

    assert served.door.run(work()) == (grpc.StatusCode.UNAUTHENTICATED, "Sign in first.")


def test_a_call_without_an_identity_ends_before_its_message_is_read(served: GrpcDoor) -> None:
    async def work() -> Any:
        async with grpc.aio.insecure_channel(served.address) as channel:
            rpc = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
            call = rpc()
            return await call.code()

    assert served.door.run(work()) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("headers", "model", "status"),
    [
        (VIEWER, "absent", "NOT_FOUND"),
        (OUTSIDER, "rows", "NOT_FOUND"),
        (PUBLISHER, "rows", "PERMISSION_DENIED"),
        (VIEWER, "waiting", "FAILED_PRECONDITION"),
        (VIEWER, "misfit", "FAILED_PRECONDITION"),
    ],
)
def test_what_one_may_not_call_is_refused(
    served: GrpcDoor, headers: dict[str, str], model: str, status: str
) -> None:
    assert served.refused_infer(model, ROWS, headers=headers)[0] == status


def test_what_cannot_be_loaded_now_is_unavailable_and_says_when_to_ask_again(
    served: GrpcDoor,
) -> None:
    request = service_pb2.ModelInferRequest(model_name="lost").SerializeToString()
    with pytest.raises(grpc.RpcError) as caught:
        served.call("ModelInfer", request, metadata=tuple(VIEWER.items()))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "retry-after" in dict(caught.value.trailing_metadata())


def test_a_model_that_was_just_published_answers_at_once(served: GrpcDoor) -> None:
    served.door.unseen.add("rows")
    assert served.infer("rows", ROWS).as_numpy("logits").shape == (1, 3)


def test_a_request_id_comes_back_and_stands_in_the_log(served: GrpcDoor) -> None:
    request = service_pb2.ModelReadyRequest(name="rows").SerializeToString()
    headers = (*VIEWER.items(), ("x-request-id", "mine-12345"))
    _, call = served.call("ModelReady", request, metadata=headers)
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-12345"
    message, request_id, event = served.lines[-1]
    assert (message, request_id) == ("gRPC ModelReady 200", "mine-12345")
    assert event["outcome"] == "success"
    assert (event["model"], event["version"]) == ("rows", "1.0.0")
    assert event["principal"] == "user:1"


def test_a_failure_stands_in_the_log_with_its_status(served: GrpcDoor) -> None:
    served.refused_infer("absent", ROWS)
    message, _, event = served.lines[-1]
    assert message == "gRPC ModelInfer 404"
    assert event["outcome"] == "failure"


def test_a_bug_is_logged_and_not_shown(
    served: GrpcDoor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served.door.services.engine, "routes", None)
    status, words = served.refused_infer("rows", ROWS)
    assert status == "INTERNAL"
    assert words == "The hub failed; its log names this request by its id."
    assert "not callable" in caplog.text


def test_a_message_of_another_kind_is_refused(served: GrpcDoor) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        served.call("ModelInfer", b"\xff\xff", metadata=tuple(VIEWER.items()))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_call_without_a_message_is_refused(served: GrpcDoor) -> None:
    async def work() -> Any:
        async with grpc.aio.insecure_channel(served.address) as channel:
            rpc = channel.stream_unary("/inference.GRPCInferenceService/ModelReady")
            call = rpc(metadata=tuple(VIEWER.items()))
            await call.done_writing()
            return await call.code()

    assert served.door.run(work()) is grpc.StatusCode.INVALID_ARGUMENT


def test_an_rpc_that_there_is_not_is_unimplemented(served: GrpcDoor) -> None:
    status, _ = served.refused(lambda c: c.get_cuda_shared_memory_status())
    assert status == "UNIMPLEMENTED"


def test_a_model_is_described(served: GrpcDoor) -> None:
    metadata = served.run(lambda c: c.get_model_metadata("two", headers=VIEWER))
    assert (metadata.name, list(metadata.versions)) == ("two", ["1.0.0"])
    assert metadata.platform == "onnxruntime_onnx"
    inputs = [(i.name, i.datatype, list(i.shape)) for i in metadata.inputs]
    assert inputs == [("a", "FP32", [-1, 2]), ("b", "INT32", [-1, 2])]
    assert [o.name for o in metadata.outputs] == ["sum", "same"]


def test_a_models_configuration_is_read_by_tritons_client(served: GrpcDoor) -> None:
    config = served.run(lambda c: c.get_model_config("two", headers=VIEWER)).config
    assert (config.name, config.platform) == ("two", "onnxruntime_onnx")
    assert config.max_batch_size == 4
    assert config.input[1].data_type == model_config_pb2.TYPE_INT32
    assert list(config.input[1].dims) == [2]
    assert config.output[0].name == "sum"


def test_what_is_ready_is_told_from_what_is_not(served: GrpcDoor) -> None:
    def ready(model: str, version: str = "", headers: dict[str, str] = VIEWER) -> bool:
        found = served.run(lambda c: c.is_model_ready(model, version, headers=headers))
        assert isinstance(found, bool)
        return found

    assert ready("rows")
    assert ready("rows", "1.0.0")
    assert not ready("rows", "9.0.0")
    assert not ready("waiting")
    assert not ready("absent")
    assert not ready("rows", headers=OUTSIDER)


def test_the_repository_holds_what_one_may_see(served: GrpcDoor) -> None:
    request = service_pb2.RepositoryIndexRequest(ready=True).SerializeToString()
    index = served.run(lambda c: c.get_model_repository_index(headers=VIEWER))
    states = {entry.name: (entry.version, entry.state, entry.reason) for entry in index.models}
    assert states["rows"] == ("1.0.0", "READY", "")
    assert states["waiting"] == ("1.0.0", "UNAVAILABLE", "processing")
    answer, _ = served.call("RepositoryIndex", request, metadata=tuple(VIEWER.items()))
    ready = service_pb2.RepositoryIndexResponse.FromString(answer).models
    assert {entry.name for entry in ready} == states.keys() - {"waiting"}
    assert not served.run(lambda c: c.get_model_repository_index(headers=OUTSIDER)).models


def test_who_publishes_may_load_and_unload(served: GrpcDoor) -> None:
    door = served.door

    def loaded() -> bool:
        return "square" in {door.ids[handle.version.id] for handle in door.pool.handles()}

    served.run(lambda c: c.load_model("square", headers=PUBLISHER))
    assert loaded()
    served.run(lambda c: c.unload_model("square", headers=PUBLISHER))
    assert not loaded()
    status, _ = served.refused(lambda c: c.load_model("square", headers=VIEWER))
    assert status == "PERMISSION_DENIED"


def test_calls_are_counted(served: GrpcDoor) -> None:
    def counted(model: str = "") -> dict[str, tuple[int, int]]:
        found = served.run(lambda c: c.get_inference_statistics(model, headers=VIEWER))
        return {
            entry.name: (entry.inference_count, entry.inference_stats.success.count)
            for entry in found.model_stats
        }

    before = counted("sure")["sure"]
    served.infer("sure", tensor("x", np.ones((2, 3, 8, 8), np.float32)))
    rows, calls = counted("sure")["sure"]
    assert (rows - before[0], calls - before[1]) == (2, 1)
    assert counted()["sure"] == (rows, calls)


def test_a_port_that_is_taken_is_named(served: GrpcDoor) -> None:
    async def start() -> None:
        await GrpcServer(served.door.services, "127.0.0.1", port, log=print).start()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            served.door.run(start())
    port = served.server.port
    with pytest.raises(OSError, match="AIHUB_GRPC_PORT"):
        served.door.run(start())


def test_a_server_that_never_started_stops(door: Door) -> None:
    door.run(GrpcServer(door.services, "127.0.0.1", 0, log=print).stop(1))


def test_it_listens_on_ipv6_too(door: Door) -> None:
    async def work() -> bool:
        server = GrpcServer(door.services, "::1", 0, log=print)
        await server.start()
        async with triton_aio.InferenceServerClient(f"[::1]:{server.port}") as client:
            live: bool = await client.is_server_live()
        await server.stop(1)
        return live

    assert door.run(work())
