"""The ONNX layer: a graph of known operators whose weights are where it says they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from registry.refusals import N_, Refused
from registry.scanning import companions, onnx_functions, onnx_weights
from registry.scanning.onnx_weights import SPARSE
from registry.scanning.report import Finding, Report

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

MAX_BYTES = (2 << 30) - 1
DOMAINS = frozenset(("", "ai.onnx", "ai.onnx.ml", "com.microsoft"))
"""Operators that ONNX Runtime brings; training operators are none of serving."""

TOO_LARGE = N_(
    "The ONNX file is larger than 2 GiB, the limit of its format. Export it with external data."
)
UNREADABLE = N_("The ONNX file is damaged: it cannot be read. Export it again.")
INVALID = N_("The ONNX model is not valid: %(detail)s")
CUSTOM = N_(
    "The model uses the operator %(operator)s of the domain %(domain)s, which needs code of its "
    "own. Export it with standard ONNX operators."
)
POINTS_ELSEWHERE = N_(
    "The model uses EPContext, which points to other files. Export a plain model."
)
NO_GRAPH = N_("The ONNX file holds no computation. Export the model again.")
NO_INPUT = N_("The ONNX model has no input. Export the model again.")
NO_OUTPUT = N_("The ONNX model has no output. Export the model again.")


def scan(path: Path, siblings: Mapping[str, Path]) -> Report:
    """The report of an ONNX model; its external data must lie whole within `siblings`."""
    try:
        return _report(_parse(path), siblings)
    except UnicodeDecodeError as error:  # a text is decoded when it is first read
        raise Refused(UNREADABLE) from error


def _report(model: ModelProto, siblings: Mapping[str, Path]) -> Report:
    _check_interface(model.graph)
    _check_operators(model)
    onnx_functions.check(model)
    weights = onnx_weights.Weights(siblings)
    tensors = {tensor.name: weights.check(tensor) for tensor in model.graph.initializer}
    for tensor in _inner_tensors(model):
        weights.check(tensor)
    companions.check(siblings, weights.used)
    _check_model(model)
    message = N_("%(count)s operators, all of known kinds.")
    return Report([Finding("onnx", "info", message, {"count": len(model.graph.node)})], tensors)


def _parse(path: Path) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    if path.stat().st_size > MAX_BYTES:
        raise Refused(TOO_LARGE)
    model = ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise Refused(UNREADABLE) from error
    return model


def _check_interface(graph: GraphProto) -> None:
    if not graph.node:
        raise Refused(NO_GRAPH)
    if not {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}:
        raise Refused(NO_INPUT)
    if not graph.output:
        raise Refused(NO_OUTPUT)


def _check_operators(model: ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes(model):
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own:
            raise Refused(CUSTOM, operator=node.op_type[:200], domain=node.domain[:200])
        if node.op_type == "EPContext":
            raise Refused(POINTS_ELSEWHERE)


def _inner_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """The tensors of attributes and of inner graphs; sparse ones are refused on sight."""
    for graph in _graphs(model):
        if graph.sparse_initializer:
            raise Refused(SPARSE)
        if graph is not model.graph:
            yield from graph.initializer
    for attribute in _attributes(model):
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise Refused(SPARSE)
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors


def nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Every node, of inner graphs and of functions too."""
    yield from chain.from_iterable(graph.node for graph in _graphs(model))
    yield from chain.from_iterable(function.node for function in model.functions)


def _attributes(model: ModelProto) -> Iterator[AttributeProto]:
    yield from chain.from_iterable(node.attribute for node in nodes(model))
    yield from chain.from_iterable(function.attribute_proto for function in model.functions)


def _graphs(model: ModelProto) -> Iterator[GraphProto]:
    yield model.graph
    yield from _graphs_within(model.graph.node)
    for function in model.functions:
        yield from _graphs_within(function.node)


def _graphs_within(within: Iterable[NodeProto]) -> Iterator[GraphProto]:
    """Protobuf itself allows a hundred levels of nesting."""
    for node in within:
        for attribute in node.attribute:
            held = [attribute.g] if attribute.HasField("g") else []
            for graph in (*held, *attribute.graphs):
                yield graph
                yield from _graphs_within(graph.node)


def _check_model(model: ModelProto) -> None:
    """ONNX's own checker; the weights, checked before, are left out as it would copy them."""
    from onnx import checker

    for tensor in chain(model.graph.initializer, _inner_tensors(model)):
        onnx_weights.hollow(tensor)
    try:
        checker.check_model(model)
    except (checker.ValidationError, RuntimeError, ValueError) as error:
        detail = str(error).strip().partition("\n")[0]
        raise Refused(INVALID, detail=detail[:300]) from error
