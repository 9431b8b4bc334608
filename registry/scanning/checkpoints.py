"""Where a checkpoint keeps its weights: the one place that knows wrappers and prefixes.

Pure functions of nested mappings; a tensor is what has a `dtype` and a `shape`, so that they work
on torch's tensors and on the stand-ins of a scan alike.
"""

from collections.abc import Mapping
from typing import Any

from registry.refusals import N_, Refused

WRAPPERS = ("state_dict", "model_state_dict", "model")
PARALLEL_PREFIX = "module."
_DEPTH = 3


def unwrap(checkpoint: object) -> dict[str, Any]:
    """The tensors by name, out of wrappers and without DataParallel's prefix; Refused if none."""
    tensors = _tensors(_innermost(checkpoint))
    if not tensors:
        raise Refused(
            N_(
                "No weights were found in the file. Save them with "
                "torch.save(model.state_dict(), …)."
            )
        )
    return without_parallel_prefix(tensors)


def without_parallel_prefix(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The same tensors without `module.`, when every name starts with it."""
    if not all(name.startswith(PARALLEL_PREFIX) for name in tensors):
        return dict(tensors)
    return {name.removeprefix(PARALLEL_PREFIX): tensor for name, tensor in tensors.items()}


def _innermost(checkpoint: object) -> object:
    """Wrappers come first: a training checkpoint may hold tensors beside its weights."""
    for _ in range(_DEPTH):
        inner = _wrapped(checkpoint)
        if inner is None:
            break
        checkpoint = inner
    return checkpoint


def _wrapped(checkpoint: object) -> Mapping[Any, Any] | None:
    if not isinstance(checkpoint, Mapping):
        return None
    inner = (checkpoint.get(key) for key in WRAPPERS)
    return next((value for value in inner if isinstance(value, Mapping)), None)


def _tensors(checkpoint: object) -> dict[str, Any]:
    if not isinstance(checkpoint, Mapping):
        return {}
    return {k: v for k, v in checkpoint.items() if isinstance(k, str) and _is_tensor(v)}


def _is_tensor(value: object) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")
