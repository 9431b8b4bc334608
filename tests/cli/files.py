"""Models large enough to be sent in parts, each with content that no other has."""

from pathlib import Path

MIB = 1024 * 1024


def large_onnx(path: Path, size: int = 38 * MIB) -> Path:
    """`y = mean(x · weight)` on [N, 4] floats, its weight at random and about `size` bytes."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng().random((4, size // 16), dtype=np.float32)
    axes = numpy_helper.from_array(np.array([1]), "axes")
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("x", 4), ("y", 1))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("ReduceMean", ["product", "axes"], ["y"], keepdims=1),
    ]
    tensors = [numpy_helper.from_array(weight, "weight"), axes]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
