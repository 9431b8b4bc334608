"""Our messages beside those that Triton's client was generated with."""

import pytest
from google.protobuf import descriptor_pool
from tritonclient.grpc import service_pb2

from inference.protocol.grpc import definitions
from inference.protocol.grpc.messages import message_class

TRITON = descriptor_pool.Default()


@pytest.mark.parametrize("name", definitions.MESSAGES)
def test_every_field_has_the_number_and_type_that_triton_gives_it(name: str) -> None:
    ours = message_class(name).DESCRIPTOR
    theirs = TRITON.FindMessageTypeByName(f"inference.{name}").fields_by_name
    for field in ours.fields:
        same = theirs[field.name]
        assert (field.number, field.type) == (same.number, same.type)
        assert field.is_repeated == same.is_repeated
        assert field.is_packed == same.is_packed
        assert bool(field.containing_oneof) == bool(same.containing_oneof)


def test_every_enumeration_has_tritons_values() -> None:
    for name, values in definitions.ENUMS.items():
        theirs = TRITON.FindEnumTypeByName(f"inference.{name}")
        assert values.split() == [value.name for value in theirs.values]


def test_every_rpc_that_needs_no_shared_memory_is_answered() -> None:
    from inference.protocol.grpc.servicer import handlers

    service = TRITON.FindServiceByName(definitions.SERVICE)
    left_out = ("SharedMemory", "TraceSetting", "LogSettings")
    wanted = {m.name for m in service.methods if not any(part in m.name for part in left_out)}
    assert set(handlers(None, print)) == wanted  # type: ignore[arg-type]


def test_a_message_is_read_by_the_other_side() -> None:
    ours = message_class("ModelInferRequest")(model_name="m", raw_input_contents=[b"ab"])
    ours.parameters["timeout"].int64_param = 7
    ours.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    theirs = service_pb2.ModelInferRequest.FromString(ours.SerializeToString())
    assert theirs.parameters["timeout"].int64_param == 7
    assert list(theirs.inputs[0].shape) == [1, 2]
    assert theirs.raw_input_contents == [b"ab"]


def test_there_is_no_other_message() -> None:
    with pytest.raises(KeyError):
        message_class("CudaSharedMemoryStatusRequest")
