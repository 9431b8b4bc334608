"""Transformers that read texts, built from the `config.json` beside their weights.

A list of families, and of what a configuration may say: `transformers` builds them from its own
code and fetches nothing. Weights come from the version's file, as for every architecture.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

import inference.torchvision_compat  # noqa: F401 - transformers imports torchvision
from inference.architectures import Architecture, Weights
from inference.building import check_options
from inference.completion import config_labels
from inference.pooling import Pooling, TextClassifier, TextEmbedder, pooling_of
from inference.side_files import CONFIG, config_read
from inference.spec import TEXT_EMBEDDING, ModelSpec
from registry.refusals import N_, Refused


@dataclass(frozen=True, slots=True)
class _Family:
    """Where a family's classes are in `transformers`, and how their names begin."""

    module: str
    names: str
    has_pooler: bool = True
    attention: str = "sdpa"

    def find(self, suffix: str) -> Any:
        module = importlib.import_module(f"transformers.models.{self.module}")
        return getattr(module, self.names + suffix)


_FAMILIES: Mapping[str, _Family] = {
    "albert": _Family("albert", "Albert"),
    "bert": _Family("bert", "Bert"),
    "distilbert": _Family("distilbert", "DistilBert", has_pooler=False),
    "electra": _Family("electra", "Electra", has_pooler=False),
    "mpnet": _Family("mpnet", "MPNet", attention="eager"),
    "roberta": _Family("roberta", "Roberta"),
    "xlm-roberta": _Family("xlm_roberta", "XLMRoberta"),
}
# What of a configuration changes the computation. The rest is not even read: some of it names
# code or places to fetch from.
_READ = frozenset(
    {
        "activation",
        "dim",
        "embedding_size",
        "hidden_act",
        "hidden_dim",
        "hidden_size",
        "inner_group_num",
        "intermediate_size",
        "layer_norm_eps",
        "max_position_embeddings",
        "n_heads",
        "n_layers",
        "num_attention_heads",
        "num_hidden_groups",
        "num_hidden_layers",
        "pad_token_id",
        "relative_attention_num_buckets",
        "type_vocab_size",
        "vocab_size",
    }
)
# Old files call these otherwise.
_RENAMED = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))
_COUNTED = (".position_ids", ".token_type_ids")  # numbers from 0 on, which old files hold


def text_architecture(spec: ModelSpec, files: Mapping[str, Path]) -> Architecture:
    """The architecture that `config.json` describes, for the version's task; Refused for others."""
    if CONFIG not in files:
        raise Refused(
            N_("Weights of a text model need their configuration: send config.json beside them.")
        )
    config = config_read(files, CONFIG)
    name = _family(config, spec.architecture)
    options = {key: value for key, value in config.items() if key in _READ}
    check_options(options)
    if spec.task == TEXT_EMBEDDING:
        return _embedder(name, options, pooling_of(files, spec.options))
    _check_problem(config)
    classes = len(config_labels(files)) or 2  # the library's own default
    return Architecture(
        name,
        partial(_classifier, _FAMILIES[name], options),
        num_classes=classes,
        fitted=_renamed,
        finished=TextClassifier,
    )


def _embedder(name: str, options: Mapping[str, Any], pooling: Pooling) -> Architecture:
    family = _FAMILIES[name]
    return Architecture(
        name,
        partial(_body, family, options),
        num_classes=0,
        fitted=partial(_body_alone, family),
        finished=partial(TextEmbedder, pooling=pooling),
    )


def _family(config: Mapping[str, Any], wanted: str) -> str:
    """The family's name; Refused where it is none of ours, or not what the owner said."""
    found = str(config.get("model_type", ""))
    if found not in _FAMILIES:
        raise Refused(
            N_("config.json describes “%(found)s”; these are known: %(known)s. Or send ONNX."),
            found=found[:60],
            known=", ".join(_FAMILIES),
        )
    if wanted.strip().lower() not in ("", found):
        raise Refused(
            N_("The architecture is “%(wanted)s”, but config.json describes “%(found)s”."),
            wanted=wanted[:60],
            found=found,
        )
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise Refused(N_("config.json asks for relative positions, which are not served."))
    return found


def _check_problem(config: Mapping[str, Any]) -> None:
    """A class of one text excludes the others: scores are told as a distribution."""
    problem = config.get("problem_type") or "single_label_classification"
    if problem != "single_label_classification":
        raise Refused(
            N_("config.json says “%(problem)s”; only one class a text is served."),
            problem=str(problem)[:60],
        )


def _configured(family: _Family, options: Mapping[str, Any], **more: Any) -> Any:
    config = family.find("Config")(**options, **more)
    config._attn_implementation = family.attention  # its only way to be chosen
    return config


def _classifier(family: _Family, options: Mapping[str, Any], *, num_classes: int) -> nn.Module:
    config = _configured(family, options, num_labels=num_classes)
    module: nn.Module = family.find("ForSequenceClassification")(config)
    return module


def _body(
    family: _Family,
    options: Mapping[str, Any],
    *,
    num_classes: int,  # what every factory is called with
    pooling: str = "",  # these two belong to what is put behind the body
    normalise: bool = True,
) -> nn.Module:
    """The module without a head."""
    given = {"add_pooling_layer": False} if family.has_pooler else {}
    module: nn.Module = family.find("Model")(_configured(family, options), **given)
    return module


def _renamed(weights: Weights) -> Weights:
    """Weights by the names that they have today."""
    kept = {n: tensor for n, tensor in weights.items() if not n.endswith(_COUNTED)}
    return {_new_name(name): tensor for name, tensor in kept.items()}


def _new_name(name: str) -> str:
    for old, new in _RENAMED:
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _body_alone(family: _Family, weights: Weights) -> Weights:
    """The body's weights: without the prefix, the pooler and the heads of what was trained."""
    weights = _renamed(weights)
    prefix = family.find("Model").base_model_prefix + "."
    if any(name.startswith(prefix) for name in weights):
        inner = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    else:
        inner = weights
    return {name: tensor for name, tensor in inner.items() if not name.startswith("pooler.")}
