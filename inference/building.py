"""Building a module from a client's options without paying for absurd ones.

A module is first outlined on torch's meta device, where tensors have shapes and no content. Only
an outline that fits a checkpoint is built for real, so that its size is that of a file we hold.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.overrides import TorchFunctionMode

from inference.architectures import Architecture
from registry.refusals import N_, Refused

Shapes = Mapping[str, tuple[int, ...]]

MAX_MODULES = 10_000  # the largest of torchvision's has 1,600
_MAX_OPTION_VALUES = 1000
_MAX_OPTION_DEPTH = 4
_MAX_OPTION_NUMBER = 1_000_000
_MAX_OPTION_TEXT = 100
_MAX_RANGE = 4096
_RESERVED = ("weights", "weights_backbone", "progress", "num_classes", "pretrained")


def outline(architecture: Architecture, num_classes: int, options: Mapping[str, Any]) -> Shapes:
    """Names and shapes of the weights that this architecture has; Refused for unfit options."""
    check_options(options)
    with _bounded_modules(), torch.device("meta"), _RealNumbers():
        module = _built(architecture, num_classes, options)
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def build(architecture: Architecture, num_classes: int, options: Mapping[str, Any]) -> nn.Module:
    """The module with initial weights; call `outline` first."""
    return _built(architecture, num_classes, options)


def _built(architecture: Architecture, num_classes: int, options: Mapping[str, Any]) -> nn.Module:
    try:
        return architecture.factory(num_classes=num_classes, **options)
    except Refused:
        raise
    except Exception as error:  # whatever a constructor makes of options that it was not made for
        raise Refused(
            N_("“%(architecture)s” cannot be built with these options: %(error)s."),
            architecture=architecture.name,
            error=str(error)[:300].rstrip("."),
        ) from error


def check_options(options: Mapping[str, Any]) -> None:
    """Plain JSON of a bounded size, and no keyword that would fetch weights."""
    for name in options:
        if name in _RESERVED or not name.isidentifier():
            raise Refused(N_("“%(option)s” is no option of an architecture."), option=name[:60])
    if sum(_count(value, _MAX_OPTION_DEPTH) for value in options.values()) > _MAX_OPTION_VALUES:
        raise Refused(N_("There are too many values in the options."))


def _count(value: object, depth: int) -> int:
    if isinstance(value, list) and depth:
        return 1 + sum(_count(item, depth - 1) for item in value)
    if not _is_plain(value):
        raise Refused(
            N_("Options are texts, numbers up to %(most)s, true, false, null, or lists of them."),
            most=_MAX_OPTION_NUMBER,
        )
    return 1


def _is_plain(value: object) -> bool:
    match value:
        case None | bool():
            return True
        case int() | float():
            return abs(value) <= _MAX_OPTION_NUMBER
        case str():
            return len(value) <= _MAX_OPTION_TEXT
    return False


class _RealNumbers(TorchFunctionMode):
    """Keeps short rows of numbers off the meta device: RegNet computes its widths with them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor or (func is torch.arange and all(map(_is_short, args))):
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


def _is_short(bound: object) -> bool:
    return isinstance(bound, int | float) and abs(bound) <= _MAX_RANGE


@contextmanager
def _bounded_modules() -> Iterator[None]:
    """Stop a construction on this thread that never ends; torch's hook is for all threads."""
    here, built = threading.get_ident(), 0

    def count(parent: nn.Module, name: str, child: nn.Module | None) -> None:
        nonlocal built
        built += threading.get_ident() == here
        if built > MAX_MODULES:
            raise Refused(N_("These options make an architecture with too many layers."))

    hook = register_module_module_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
