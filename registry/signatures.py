"""How two versions differ for those who call them: inputs, outputs, classes.

Pure. A difference is breaking where a call that worked before might fail, or be answered with
something else in the same place. What is not known (no signature, no labels) breaks nothing.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.refusals import N_

Tensor = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Interface:
    """What callers of a version rely on; `pictures` says that the hub itself resizes its input."""

    signature: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    labels: Sequence[str] = ()
    num_classes: int | None = None
    pictures: bool = False

    @property
    def classes(self) -> int | None:
        return len(self.labels) or self.num_classes

    def tensors(self, side: str) -> dict[str, Tensor]:
        return {tensor["name"]: tensor for tensor in self.signature.get(side, ())}


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """`field` is such as `inputs.image`; `message` a template that `values` fill."""

    field: str
    before: Any
    after: Any
    breaking: bool
    message: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def compare(old: Interface, new: Interface) -> list[Difference]:
    """What is different in `new`; empty where nothing is, or where nothing is known."""
    if not (old.signature and new.signature):
        return list(_classes(old, new))
    return [*_inputs(old, new), *_outputs(old, new), *_classes(old, new)]


def is_breaking(differences: Sequence[Difference]) -> bool:
    return any(difference.breaking for difference in differences)


def _inputs(old: Interface, new: Interface) -> Iterator[Difference]:
    before, after = old.tensors("inputs"), new.tensors("inputs")
    for name in before.keys() - after.keys():
        yield _named("inputs", name, before[name], None, N_("The input “%(name)s” is gone."))
    for name in after.keys() - before.keys():
        text = N_("The input “%(name)s” is new, and callers do not send it.")
        yield _named("inputs", name, None, after[name], text)
    for name in sorted(before.keys() & after.keys()):
        resized = old.pictures and new.pictures
        yield from _input(name, before[name], after[name], resized)


def _input(name: str, old: Tensor, new: Tensor, resized: bool) -> Iterator[Difference]:
    yield from _retyped("inputs", name, old, new)
    if _takes_all(old["shape"], new["shape"]):
        if list(old["shape"]) != list(new["shape"]):
            text = N_("The input “%(name)s” takes more shapes: %(before)s, now %(after)s.")
            yield _shaped("inputs", name, old, new, text, breaking=False)
        return
    text = N_("The input “%(name)s” has another shape: %(before)s, now %(after)s.")
    only_size = resized and _same_but_size(old["shape"], new["shape"])
    yield _shaped("inputs", name, old, new, text, breaking=not only_size)


def _outputs(old: Interface, new: Interface) -> Iterator[Difference]:
    before, after = old.tensors("outputs"), new.tensors("outputs")
    for name in before.keys() - after.keys():
        yield _named("outputs", name, before[name], None, N_("The output “%(name)s” is gone."))
    for name in after.keys() - before.keys():
        text = N_("The output “%(name)s” is new.")
        yield _named("outputs", name, None, after[name], text, breaking=False)
    for name in sorted(before.keys() & after.keys()):
        yield from _retyped("outputs", name, before[name], after[name])
        if list(before[name]["shape"]) != list(after[name]["shape"]):
            text = N_("The output “%(name)s” has another shape: %(before)s, now %(after)s.")
            breaking = not _takes_all(after[name]["shape"], before[name]["shape"])
            yield _shaped("outputs", name, before[name], after[name], text, breaking=breaking)
    was, now = old.signature.get("probabilities"), new.signature.get("probabilities")
    if None not in (was, now) and was != now:
        text = N_("Raw scores became probabilities, or the other way round.")
        yield Difference("outputs.probabilities", was, now, breaking=False, message=text)


def _classes(old: Interface, new: Interface) -> Iterator[Difference]:
    before, after = old.classes, new.classes
    if before and after and before != after:
        text = N_("The number of classes changed from %(before)s to %(after)s.")
        values = {"before": before, "after": after}
        yield Difference("classes", before, after, breaking=True, message=text, values=values)
    elif old.labels and new.labels and list(old.labels) != list(new.labels):
        yield _relabelled(old.labels, new.labels)


def _relabelled(old: Sequence[str], new: Sequence[str]) -> Difference:
    pairs = [(was, now) for was, now in zip(old, new, strict=True) if was != now]
    before, after = pairs[0]
    text = N_("%(count)s labels changed, such as “%(before)s” to “%(after)s”.")
    values = {"count": len(pairs), "before": before, "after": after}
    return Difference("labels", before, after, breaking=True, message=text, values=values)


def _named(
    side: str, name: str, old: Tensor | None, new: Tensor | None, text: str, breaking: bool = True
) -> Difference:
    before, after = (tensor and _described(tensor) for tensor in (old, new))
    return Difference(f"{side}.{name}", before, after, breaking, text, {"name": name})


def _retyped(side: str, name: str, old: Tensor, new: Tensor) -> Iterator[Difference]:
    before, after = old["datatype"], new["datatype"]
    if before != after:
        text = N_("“%(name)s” has another type: %(before)s, now %(after)s.")
        values = {"name": name, "before": before, "after": after}
        yield Difference(f"{side}.{name}", before, after, True, text, values)


def _shaped(
    side: str, name: str, old: Tensor, new: Tensor, text: str, *, breaking: bool
) -> Difference:
    before, after = list(old["shape"]), list(new["shape"])
    values = {"name": name, "before": before, "after": after}
    return Difference(f"{side}.{name}", before, after, breaking, text, values)


def _takes_all(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether `new` has room for every shape that `old` has; -1 is any length."""
    return len(old) == len(new) and all(n in (-1, o) for o, n in zip(old, new, strict=True))


def _same_but_size(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether two shapes [N, channels, height, width] differ in height and width alone."""
    return len(old) == len(new) == 4 and _takes_all(old[:2], new[:2])


def _described(tensor: Tensor) -> str:
    return f"{tensor['datatype']} {list(tensor['shape'])}"
