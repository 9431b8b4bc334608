"""The functions of an ONNX model, which a runtime copies to wherever they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from registry.refusals import N_, Refused

if TYPE_CHECKING:
    from onnx import FunctionProto, ModelProto, NodeProto

MAX_NODES = 1_000_000
TOO_MANY = N_("The model's functions grow to more than %(limit)s operators when they are expanded.")
CIRCLE = N_("The function %(function)s of the model calls itself.")

_Key = tuple[str, str]


def check(model: ModelProto) -> None:
    """Refuse functions that call themselves or multiply without measure."""
    sizes = _Sizes(model.functions)
    if sizes.of(model.graph.node) > MAX_NODES:
        raise Refused(TOO_MANY, limit=MAX_NODES)


class _Sizes:
    """How many nodes a run of nodes becomes; each function is counted once."""

    def __init__(self, functions: Iterable[FunctionProto]) -> None:
        self._bodies = {(function.domain, function.name): function for function in functions}
        self._known: dict[_Key, int] = {}
        self._open: set[_Key] = set()

    def of(self, nodes: Iterable[NodeProto]) -> int:
        return sum(self._of_node(node) for node in nodes)

    def _of_node(self, node: NodeProto) -> int:
        inner = sum(
            self.of(attribute.g.node) + sum(self.of(graph.node) for graph in attribute.graphs)
            for attribute in node.attribute
        )
        return 1 + inner + self._of_function((node.domain, node.op_type))

    def _of_function(self, key: _Key) -> int:
        if key not in self._bodies:
            return 0
        if key in self._open or len(self._open) > 100:
            raise Refused(CIRCLE, function=key[1][:200])
        if key not in self._known:
            self._open.add(key)
            self._known[key] = self.of(self._bodies[key].node)
            self._open.remove(key)
        return self._known[key]
