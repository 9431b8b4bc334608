"""What an owner left open about a version, from its files and its model; and contradictions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from inference.side_files import CONFIG, config_read
from inference.signature import Signature
from inference.spec import ModelSpec
from inference.texts import check_inputs
from registry.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from registry.refusals import N_, Refused

MAX_LABELS_FILE = 4 * 1024 * 1024  # bytes
MAX_LABEL = 200  # characters
_GREY_MEAN, _GREY_STD = (0.0,), (1.0,)


def labels(given: Sequence[str], paths: Mapping[str, Path]) -> list[str]:
    """The labels that were sent, else those of `labels.json` (a list), `labels.txt` (lines) or
    `config.json` (`id2label`).
    """
    if given:
        return list(given)
    if "labels.json" in paths:
        return _json_labels(_text(paths["labels.json"]))
    if "labels.txt" in paths:
        return [line.strip() for line in _text(paths["labels.txt"]).splitlines() if line.strip()]
    return config_labels(paths)


def config_labels(paths: Mapping[str, Path]) -> list[str]:
    """The classes that `config.json` names in `id2label`; Refused where numbers are missing."""
    named = config_read(paths, CONFIG).get("id2label")
    if not isinstance(named, dict):
        return []
    found = [named.get(str(number)) for number in range(len(named))]
    labels = [label for label in found if isinstance(label, str) and 0 < len(label) <= MAX_LABEL]
    if len(labels) != len(named):
        raise Refused(N_("id2label in config.json must name the classes from 0 on."))
    return labels


def completed(spec: ModelSpec, signature: Signature) -> ModelSpec:
    """`spec` with classes and preprocessing that fit the model; Refused for contradictions."""
    if spec.takes_texts:
        check_inputs(signature.inputs)
    if spec.takes_images:
        fitted = _fitted(spec.preprocessing, image_input(signature))
        spec = replace(spec, preprocessing=fitted)
    if not spec.classifies:
        return spec
    scores = signature.scores
    declared = scores.shape[1] if scores and scores.shape[1] > 0 else None
    spec = replace(spec, num_classes=spec.num_classes or declared)
    check_classes(spec, spec.num_classes)
    return spec


def check_classes(spec: ModelSpec, classes: int | None) -> None:
    """Refused where there are labels, but not one for each class."""
    if spec.labels and classes is not None and len(spec.labels) != classes:
        raise Refused(
            N_("There are %(labels)s labels for %(classes)s classes."),
            labels=len(spec.labels),
            classes=classes,
        )


def image_input(signature: Signature) -> tuple[int, int, int]:
    """(channels, height, width) of a model's only input, -1 for any; Refused for other models."""
    tensors = signature.inputs
    if len(tensors) == 1 and tensors[0].datatype == "FP32" and len(tensors[0].shape) == 4:
        _, channels, height, width = tensors[0].shape
        if channels in (-1, 1, 3):
            return channels, height, width
    raise Refused(
        N_(
            "An image classifier takes one FP32 input [N, channels, height, width]; this model "
            "takes %(inputs)s. Publish it with the task “tensor”."
        ),
        inputs=", ".join(f"{t.name} {t.datatype} {list(t.shape)}" for t in tensors),
    )


def _fitted(given: Preprocessing | None, wanted: tuple[int, int, int]) -> Preprocessing:
    """Preprocessing whose answer the model takes: channels and size."""
    channels, height, width = wanted
    preprocessing = given or _usual(height, width)
    if channels > 0:
        preprocessing = _with_channels(preprocessing, channels)
    for side, length in zip(preprocessing.crop, (height, width), strict=True):
        if length not in (-1, side):
            raise Refused(
                N_("The model takes images of %(wanted)s, but the crop is %(crop)s."),
                wanted=f"{height} × {width}",
                crop=" × ".join(map(str, preprocessing.crop)),
            )
    return preprocessing


def _usual(height: int, width: int) -> Preprocessing:
    """ImageNet's, at the size that the model takes: an eighth is cut off."""
    if height < 0 or width < 0:
        return Preprocessing(resize=256, crop=(224, 224))
    if height == width:
        return Preprocessing(resize=round(height * 256 / 224), crop=(height, width))
    return Preprocessing(resize=(height, width), crop=(height, width))


def _with_channels(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """One mean serves three channels; three do not serve one, which gets plain 0 to 1."""
    if preprocessing.channels == channels:
        return preprocessing
    if channels == 1:
        _check_default(preprocessing)
        return replace(preprocessing, mean=_GREY_MEAN, std=_GREY_STD)
    return replace(preprocessing, mean=preprocessing.mean * 3, std=preprocessing.std * 3)


def _check_default(preprocessing: Preprocessing) -> None:
    """Numbers that the owner sent are never dropped in silence."""
    if (preprocessing.mean, preprocessing.std) != (IMAGENET_MEAN, IMAGENET_STD):
        raise Refused(N_("The model takes one channel: send one number as mean and as std."))


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_LABELS_FILE:
        raise Refused(N_("The labels file has more than %(most)s bytes."), most=MAX_LABELS_FILE)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(N_("The labels file is not UTF-8 text.")) from None


def _json_labels(text: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise Refused(N_("labels.json must hold a JSON list of texts."))
    return value
