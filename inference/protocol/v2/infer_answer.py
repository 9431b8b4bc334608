"""The body of an inference answer: JSON, with its tensors in it or raw behind it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from aihub.problems import N_, Problem
from inference.protocol.responses import Response
from inference.protocol.v2.binary import array_to_raw
from inference.protocol.v2.inputs import Tensor
from inference.protocol.v2.json_tensors import array_to_json

HEADER_LENGTH = "inference-header-content-length"
OCTETS = "application/octet-stream"


def infer_answer(
    model: str,
    version: str,
    request_id: str | None,
    tensors: Sequence[Tensor],
    binary: Sequence[bool],
) -> Response:
    """The outputs, each raw behind the JSON or in it as `binary` says.

    Problem 422 for NaN and infinity where JSON is to hold them.
    """
    blobs: list[bytes] = []
    document: dict[str, Any] = {"model_name": model, "model_version": version}
    if request_id is not None:
        document["id"] = request_id
    document["outputs"] = [
        _output(tensor, raw, blobs) for tensor, raw in zip(tensors, binary, strict=True)
    ]
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in head:  # what orjson makes of NaN and infinity; a name may say so too
        _check_finite(tensors, binary)
    if not any(binary):
        return Response(200, head)
    headers = {HEADER_LENGTH: str(len(head))}
    return Response(200, b"".join([head, *blobs]), OCTETS, headers)


def _output(tensor: Tensor, raw: bool, blobs: list[bytes]) -> dict[str, Any]:
    name, datatype, array = tensor
    output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": array.shape}
    if raw:
        blobs.append(array_to_raw(array))
        output["parameters"] = {"binary_data_size": len(blobs[-1])}
    else:
        output["data"] = array_to_json(array)
    return output


def _check_finite(tensors: Sequence[Tensor], binary: Sequence[bool]) -> None:
    for tensor, raw in zip(tensors, binary, strict=True):
        if not raw and tensor.datatype.startswith("FP") and not np.isfinite(tensor.array).all():
            raise Problem(
                422,
                N_(
                    "Output “%(name)s” holds NaN or infinity, which JSON cannot: ask for "
                    "binary outputs."
                ),
                name=tensor.name,
            )
