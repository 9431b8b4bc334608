"""From a transformer's states, one a token, to the answer of a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inference.side_files import config_read, json_read
from inference.signature import Signature, TensorSpec
from inference.texts import IDS, MASK
from registry.files import POOLING_FILE
from registry.refusals import N_, Refused

EMBEDDING, LOGITS = "embedding", "logits"
_MODULES = "modules.json"
_MAX_MODULES = 1024 * 1024  # bytes
_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}
_INPUTS = (TensorSpec(IDS, "INT64", (-1, -1)), TensorSpec(MASK, "INT64", (-1, -1)))


@dataclass(frozen=True, slots=True)
class Pooling:
    """How tokens become one vector (`mean`, `cls`, `max`), and whether its length is one."""

    mode: str = "mean"
    normalised: bool = True


class TextEmbedder(nn.Module):
    """`embedding` FP32 [N, D] of token numbers and mask INT64 [N, L]."""

    def __init__(self, body: Any, pooling: Pooling) -> None:
        super().__init__()
        self.body = body
        self.pooling = pooling
        outputs = (TensorSpec(EMBEDDING, "FP32", (-1, int(body.config.hidden_size))),)
        self.signature = Signature(_INPUTS, outputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.body(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]
        pooled = _pooled(states.float(), attention_mask.unsqueeze(-1), self.pooling.mode)
        return nn.functional.normalize(pooled, dim=1) if self.pooling.normalised else pooled


class TextClassifier(nn.Module):
    """`logits` FP32 [N, classes] of token numbers and mask INT64 [N, L]."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body
        outputs = (TensorSpec(LOGITS, "FP32", (-1, int(body.num_labels))),)
        self.signature = Signature(_INPUTS, outputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        answer = self.body(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)
        logits: torch.Tensor = answer[0].float()
        return logits


def pooling_of(files: Mapping[str, Path], options: Mapping[str, Any]) -> Pooling:
    """As the owner's options say (`pooling`, `normalise`), else the files of Sentence Transformers,
    else the mean, normalised. Refused for a pooling that is none of ours.
    """
    normalised = _MODULES not in files or "Normalize" in _modules(files)
    found = Pooling(
        options.get("pooling", _mode(files)), bool(options.get("normalise", normalised))
    )
    if found.mode not in _MODES.values():
        raise Refused(
            N_("A pooling is one of %(known)s."),
            known=", ".join(_MODES.values()),
        )
    return found


def _mode(files: Mapping[str, Path]) -> str:
    """The pooling that a file asks for; empty for one, or several, that are none of ours."""
    config = config_read(files, POOLING_FILE)
    if not config:
        return "mean"
    asked = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    return _MODES.get(asked[0], "") if len(asked) == 1 else ""


def _modules(files: Mapping[str, Path]) -> frozenset[str]:
    """What `modules.json` puts one behind the other; Refused for what would be left out."""
    listed = json_read(files, _MODULES, _MAX_MODULES)
    types = [str(part.get("type")) for part in listed if isinstance(part, dict)] if listed else []
    found = frozenset(kind.rpartition(".")[2] for kind in types)
    if not found or found - {"Transformer", "Pooling", "Normalize"}:
        raise Refused(
            N_("modules.json must name Transformer, Pooling and maybe Normalize, nothing else.")
        )
    return found


def _pooled(states: torch.Tensor, mask: torch.Tensor, mode: str) -> torch.Tensor:
    """[N, D] of [N, L, D], with a mask [N, L, 1] of the tokens that count."""
    if mode == "cls":
        return states[:, 0]
    if mode == "max":
        return states.masked_fill(mask == 0, torch.finfo(states.dtype).min).amax(1)
    weight = mask.to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
