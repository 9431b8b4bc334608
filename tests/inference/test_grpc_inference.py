"""Inference over gRPC, as Triton's client asks for it."""

import asyncio
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
import pytest
import tritonclient.grpc.aio as triton_aio
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import InferInput, InferRequestedOutput, service_pb2

from inference.protocol.grpc.server import GrpcServer
from tests.inference import samples
from tests.inference.door import Door, Published
from tests.inference.grpc_door import VIEWER, Client, GrpcDoor, tensor

DATATYPES = {
    "BOOL": (TensorProto.BOOL, np.bool_),
    "UINT8": (TensorProto.UINT8, np.uint8),
    "UINT16": (TensorProto.UINT16, np.uint16),
    "UINT32": (TensorProto.UINT32, np.uint32),
    "UINT64": (TensorProto.UINT64, np.uint64),
    "INT8": (TensorProto.INT8, np.int8),
    "INT16": (TensorProto.INT16, np.int16),
    "INT32": (TensorProto.INT32, np.int32),
    "INT64": (TensorProto.INT64, np.int64),
    "FP16": (TensorProto.FLOAT16, np.float16),
    "FP32": (TensorProto.FLOAT, np.float32),
    "FP64": (TensorProto.DOUBLE, np.float64),
    "BYTES": (TensorProto.STRING, np.object_),
}
CONTENTS = {
    "BOOL": ("bool_contents", [True, False]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT16": ("uint_contents", [0, 65535]),
    "UINT32": ("uint_contents", [0, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**64 - 1]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-(2**15), 2**15 - 1]),
    "INT32": ("int_contents", [-(2**31), 2**31 - 1]),
    "INT64": ("int64_contents", [-(2**63), 2**63 - 1]),
    "FP32": ("fp32_contents", [0.5, -1.25]),
    "FP64": ("fp64_contents", [0.1, 1e300]),
    "BYTES": ("bytes_contents", ["été".encode(), b""]),
}
SLOW = np.array([[300_000]], np.int64)  # about a second


def echo_onnx(path: Path, kind: int) -> Path:
    """Answers what it is given: [N, 2]."""
    x, y = (helper.make_tensor_value_info(name, kind, ["N", 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "echo", [x], [y])
    return saved(graph, path)


def counting_onnx(path: Path) -> Path:
    """Counts up to its input, one by one: takes as long as it is told to."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Add", ["before", "one"], ["after"]),
        ],
        "body",
        [
            value("round", TensorProto.INT64, []),
            value("go_on", TensorProto.BOOL, []),
            value("before", TensorProto.INT64, None),
        ],
        [value("still", TensorProto.BOOL, []), value("after", TensorProto.INT64, None)],
        [numpy_helper.from_array(np.array(1), "one")],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["rounds"], keepdims=0),
        helper.make_node("Sub", ["x", "x"], ["zero"]),
        helper.make_node("Loop", ["rounds", "yes", "zero"], ["y"], body=body),
    ]
    x, y = (value(name, TensorProto.INT64, ["N", 1]) for name in "xy")
    yes = numpy_helper.from_array(np.array(True), "yes")
    return saved(helper.make_graph(nodes, "counting", [x], [y], [yes]), path)


def saved(graph: onnx.GraphProto, path: Path) -> Path:
    opsets = [helper.make_opsetid("", 17)]
    onnx.save_model(helper.make_model(graph, ir_version=10, opset_imports=opsets), path)
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcDoor]:
    folder = tmp_path_factory.mktemp("models")
    files = {
        "two": samples.two_outputs_onnx(folder / "two.onnx"),
        "rows": samples.linear_onnx(folder / "rows.onnx"),
        "picky": samples.picky_onnx(folder / "picky.onnx"),
        "counting": counting_onnx(folder / "counting.onnx"),
        **{n: echo_onnx(folder / f"{n}.onnx", kind) for n, (kind, _) in DATATYPES.items()},
    }
    models = {
        name: Published(
            samples.spec_for({path.name: path}, format="onnx", task="tensor"), {path.name: path}
        )
        for name, path in files.items()
    }
    lite0 = samples.lite0_spec(labels=samples.imagenet_labels())
    models["Lite"] = Published(lite0, {"lite0.pth": samples.LITE0})
    with Door(models) as door, GrpcDoor(door) as opened:
        yield opened


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_goes_raw_both_ways(served: GrpcDoor, datatype: str) -> None:
    if datatype == "BYTES":
        array = np.array([["été", ""], ["b", "a\0c"]], np.object_)
        sent, wanted = array, np.vectorize(str.encode, otypes=[np.object_])(array)
    else:
        sent = wanted = np.array([[0, 1], [1, 100]]).astype(DATATYPES[datatype][1])
    answer = served.infer(datatype, tensor("x", sent, datatype))
    assert answer.get_output("y").datatype == datatype
    found = answer.as_numpy("y")
    assert found.dtype == wanted.dtype
    assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("datatype", CONTENTS)
def test_typed_contents_are_read_too(served: GrpcDoor, datatype: str) -> None:
    name, values = CONTENTS[datatype]
    request = service_pb2.ModelInferRequest(model_name=datatype)
    given = request.inputs.add(name="x", datatype=datatype, shape=[1, 2])
    getattr(given.contents, name).extend(values)
    answer = infer_message(served, request)
    raw = answer.raw_output_contents[0]
    if datatype == "BYTES":
        assert raw == b"\x05\0\0\0" + values[0] + b"\0\0\0\0"
    else:
        assert np.frombuffer(raw, DATATYPES[datatype][1]).tolist() == values


def infer_message(served: GrpcDoor, request: Any) -> Any:
    headers = tuple(VIEWER.items())
    answer, _ = served.call("ModelInfer", request.SerializeToString(), metadata=headers)
    return service_pb2.ModelInferResponse.FromString(answer)


def refused_message(served: GrpcDoor, request: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        infer_message(served, request)
    return caught.value.code().name, caught.value.details()


def two() -> list[InferInput]:
    a, b = np.array([[0.5, 1]], np.float32), np.array([[1, 2]], np.int32)
    return [tensor("a", a), tensor("b", b, "INT32")]


def test_the_answer_names_the_model_its_version_and_the_request(served: GrpcDoor) -> None:
    answer = served.infer("TWO", *two(), request_id="mine", model_version="1.0.0")
    response = answer.get_response()
    assert (response.model_name, response.model_version) == ("two", "1.0.0")
    assert response.id == "mine"
    assert answer.as_numpy("sum").tolist() == [[1.5, 3]]
    assert answer.as_numpy("same").tolist() == [[1, 2]]


def test_outputs_come_as_they_are_asked_for(served: GrpcDoor) -> None:
    def names(*wanted: str) -> list[str]:
        outputs = [InferRequestedOutput(name) for name in wanted]
        response = served.infer("two", *two(), outputs=outputs).get_response()
        return [output.name for output in response.outputs]

    assert names("same") == ["same"]
    assert names("same", "sum") == ["same", "sum"]


def test_pictures_go_as_bytes_and_come_back_as_classes(served: GrpcDoor) -> None:
    photos = np.array([samples.photo("coffee.png"), samples.photo("rocket.jpg")], np.object_)
    name = served.run(lambda c: c.get_model_metadata("Lite", headers=VIEWER)).outputs[0].name
    best = InferRequestedOutput(name, class_count=2)
    (given,) = served.run(lambda c: c.get_model_metadata("Lite", headers=VIEWER)).inputs
    answer = served.infer("Lite", tensor(given.name, photos, "BYTES"), outputs=[best])
    found = answer.as_numpy(name)
    assert found.shape == (2, 2)
    assert found[0][0].decode().endswith(":espresso")
    assert found[1][0].decode().endswith(":missile")


def test_preprocessed_pictures_go_as_numbers(served: GrpcDoor) -> None:
    metadata = served.run(lambda c: c.get_model_metadata("Lite", headers=VIEWER))
    (given,) = metadata.inputs
    assert (given.datatype, list(given.shape)) == ("FP32", [-1, 3, 224, 224])
    pictures = np.zeros((2, 3, 224, 224), np.float32)  # larger than what the loop reads itself
    answer = served.infer("Lite", tensor(given.name, pictures))
    assert answer.as_numpy(metadata.outputs[0].name).shape == (2, 1000)


def test_compressed_messages_are_read(served: GrpcDoor) -> None:
    answer = served.infer("two", *two(), compression_algorithm="gzip")
    assert answer.as_numpy("sum").tolist() == [[1.5, 3]]


def test_calls_may_wait_side_by_side(served: GrpcDoor) -> None:
    def work(client: Client) -> list[Any]:
        answers: queue.Queue[Any] = queue.Queue()
        for _ in range(8):
            client.async_infer(
                "two",
                two(),
                lambda result, error: answers.put(error or result.as_numpy("sum").tolist()),
                headers=VIEWER,
            )
        return [answers.get(timeout=20) for _ in range(8)]

    assert served.run(work) == [[[1.5, 3]]] * 8


def test_the_asynchronous_client_is_answered(served: GrpcDoor) -> None:
    async def work() -> Any:
        async with triton_aio.InferenceServerClient(served.address) as client:
            answer = await client.infer("two", two(), headers=VIEWER)
            return answer.as_numpy("sum").tolist()

    assert served.door.run(work()) == [[1.5, 3]]


def test_a_stream_is_answered_in_order_and_survives_an_error(served: GrpcDoor) -> None:
    def work(client: Client) -> list[tuple[Any, Any]]:
        answers: queue.Queue[Any] = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)), headers=VIEWER)
        for number, model in enumerate(("two", "absent", "two")):
            client.async_stream_infer(model, two(), request_id=str(number))
        found = [answers.get(timeout=20) for _ in range(3)]
        client.stop_stream()
        return found

    (first, _), (nothing, error), (last, _) = served.run(work)
    assert [first.get_response().id, last.get_response().id] == ["0", "2"]
    assert first.as_numpy("sum").tolist() == [[1.5, 3]]
    assert nothing is None
    assert error.message() == "There is no model “absent”."


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([], "must hold these tensors: a FP32 [-1, 2], b INT32 [-1, 2]"),
        ([tensor("a", np.zeros((1, 2), np.float32))], "must hold these tensors"),
        ([tensor("a", np.zeros((1, 3), np.float32)), two()[1]], "The shape is [1, 3]."),
        ([tensor("a", np.zeros((1, 2)), "FP64"), two()[1]], "The datatype is FP64."),
        ([tensor("a", np.zeros((2, 2), np.float32)), two()[1]], "number of rows"),
        ([two()[0], two()[0]], "must hold these tensors"),
    ],
)
def test_inputs_that_are_not_the_models_are_refused(
    served: GrpcDoor, inputs: list[InferInput], words: str
) -> None:
    status, message = served.refused_infer("two", *inputs)
    assert status == "INVALID_ARGUMENT"
    assert words in message


def test_an_input_that_the_model_cannot_compute_is_refused(served: GrpcDoor) -> None:
    status, message = served.refused_infer("picky", tensor("x", np.zeros((1, 3), np.float32)))
    assert status == "INVALID_ARGUMENT"
    assert "cannot compute these inputs" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.raw_input_contents.append(b""), "1 inputs and 2 raw contents"),
        (lambda r: r.raw_input_contents.__setitem__(0, b"abc"), "takes 8 bytes, not 3"),
        (lambda r: r.inputs[0].shape.append(-1), "whole numbers from 1 up"),
        (lambda r: r.inputs[0].shape.extend([1] * 40), "more than 32 numbers"),
        (lambda r: setattr(r.inputs[0], "datatype", "BF16"), "no datatype “BF16”"),
        (lambda r: shared(r.inputs[0]), "Shared memory is not available"),
        (lambda r: shared(r.outputs.add(name="y")), "Shared memory is not available"),
        (lambda r: r.outputs.add(name="z"), "no output “z”; there are: y"),
        (lambda r: text(r.outputs.add(name="y"), "classification"), "“classification” must be"),
        (lambda r: text(r, "timeout"), "“timeout” must be"),
    ],
)
def test_a_message_that_does_not_hold_together_is_refused(
    served: GrpcDoor, change: Any, words: str
) -> None:
    request = service_pb2.ModelInferRequest(model_name="FP32", raw_input_contents=[b"\0" * 8])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    change(request)
    status, message = refused_message(served, request)
    assert status == "INVALID_ARGUMENT"
    assert words in message


def shared(message: Any) -> None:
    message.parameters["shared_memory_region"].string_param = "mine"


def text(message: Any, name: str) -> None:
    message.parameters[name].string_param = "text"


@pytest.mark.parametrize(
    ("datatype", "name", "values", "words"),
    [
        ("FP16", "fp32_contents", [1, 2], "FP16 can only be sent raw"),
        ("FP32", "int_contents", [1, 2], "takes 2 elements, not 0"),
        ("INT8", "int_contents", [1, 300], "out of the range of INT8"),
        ("BYTES", "bytes_contents", [b"\xff", b""], "not UTF-8"),
    ],
)
def test_typed_contents_that_do_not_fit_are_refused(
    served: GrpcDoor, datatype: str, name: str, values: list[Any], words: str
) -> None:
    request = service_pb2.ModelInferRequest(model_name=datatype)
    given = request.inputs.add(name="x", datatype=datatype, shape=[1, 2])
    getattr(given.contents, name).extend(values)
    status, message = refused_message(served, request)
    assert status == "INVALID_ARGUMENT"
    assert words in message


@pytest.mark.parametrize("raw", [b"\x05\0\0\0abc", b"\x05\0"])
def test_elements_that_are_cut_short_are_refused(served: GrpcDoor, raw: bytes) -> None:
    request = service_pb2.ModelInferRequest(model_name="BYTES", raw_input_contents=[raw])
    request.inputs.add(name="x", datatype="BYTES", shape=[1, 2])
    assert "cut short" in refused_message(served, request)[1]


def test_a_message_larger_than_the_limit_is_refused(served: GrpcDoor) -> None:
    large = tensor("x", np.zeros((2**20 + 1, 2), np.float32))
    for compression in (None, "gzip"):
        status, _ = served.refused_infer("FP32", large, compression_algorithm=compression)
        assert status == "RESOURCE_EXHAUSTED"


def test_a_deadline_of_the_call_is_kept(served: GrpcDoor) -> None:
    slow = tensor("x", SLOW, "INT64")
    assert served.refused_infer("counting", slow, client_timeout=0.1)[0] == "DEADLINE_EXCEEDED"


def test_a_timeout_in_the_request_is_kept(served: GrpcDoor) -> None:
    slow = tensor("x", SLOW, "INT64")
    status, message = served.refused_infer("counting", slow, timeout=100_000)
    assert (status, message) == (
        "DEADLINE_EXCEEDED",
        "The deadline passed before the model answered.",
    )


def test_a_caller_who_cancels_is_no_longer_waited_for(served: GrpcDoor) -> None:
    def work(client: Client) -> Any:
        over = threading.Event()
        found: list[Any] = []

        def ended(result: Any, error: Any) -> None:
            found.append(error)
            over.set()

        slow = [tensor("x", SLOW, "INT64")]
        context = client.async_infer("counting", slow, ended, headers=VIEWER)
        context.cancel()
        assert over.wait(20)
        return found[0]

    assert served.run(work).status() == "StatusCode.CANCELLED"
    one = tensor("x", np.array([[1]], np.int64), "INT64")
    assert served.infer("counting", one).as_numpy("y").tolist() == [[1]]
    assert all(handle.idle for handle in served.door.pool.handles())


def test_a_server_that_stops_lets_calls_end(served: GrpcDoor) -> None:
    async def work() -> Any:
        other = GrpcServer(served.door.services, "127.0.0.1", 0, log=print)
        await other.start()
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{other.port}") as client:
            slow = [tensor("x", SLOW, "INT64")]
            call = asyncio.ensure_future(client.infer("counting", slow, headers=VIEWER))
            while all(handle.idle for handle in served.door.pool.handles()):
                await asyncio.sleep(0)
            await other.stop(20)
            return (await call).as_numpy("y").tolist()

    assert served.door.run(work()) == SLOW.tolist()
