"""Lets torchvision be imported beside a torch that its C++ library was not built for.

Its wheel on PyPI is built for CUDA. Beside a CPU torch the library does not load, and
`import torchvision` fails on operators that only the library would declare. Declaring them (and
never calling them) is enough for models, weights' metadata and transforms.
Import this module before torchvision, and before what imports it.
"""

import ctypes
import importlib.util
from pathlib import Path

import torch

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _library_loads() -> bool:
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return False
    try:
        ctypes.CDLL(str(Path(found.origin).with_name("_C.so")))
    except OSError:
        return False
    return True


def _declare() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        library.define(name + _SIGNATURE)  # type: ignore[no-untyped-call]
    return library


# Kept for the life of the process: its operators go with it.
_library = None if _library_loads() else _declare()
