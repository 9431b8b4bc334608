"""The architectures that weights can be loaded into, by name.

torchvision's classifiers, EfficientNet-Lite, and what the operator lists in AIHUB_ARCHITECTURES.
A client names an architecture and plain options; a path to code only ever comes from the operator.
"""

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import nn

import inference.torchvision_compat  # noqa: F401 - before torchvision
from registry.preprocessing import Preprocessing
from registry.refusals import N_, Refused

from torchvision import models as torchvision_models  # isort: skip

Factory = Callable[..., nn.Module]  # factory(num_classes=…, **options)
Weights = dict[str, torch.Tensor]

_IMAGENET_CLASSES = 1000
_IMAGENET = Preprocessing(resize=256, crop=(224, 224))
_LITE_SIZES = (224, 240, 260, 280, 300)
# These two warn unless told how to initialise weights that are replaced anyway.
_QUIET: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False},
}


def _itself(module: nn.Module) -> nn.Module:
    return module


@dataclass(frozen=True, slots=True)
class Architecture:
    """How to build a module, and how pictures are prepared for it unless the owner says.

    `fitted` brings a file's weights to the names of the module, and `finished` puts around the
    module with its weights what belongs to it.
    """

    name: str
    factory: Factory
    preprocessing: Preprocessing = _IMAGENET
    num_classes: int = _IMAGENET_CLASSES
    fitted: Callable[[Weights], Weights] = dict
    finished: Callable[[Any], nn.Module] = _itself


class Architectures:
    """All architectures of this hub; `listed` holds the operator's `name=package.module:factory`.

    ValueError for an entry of another form.
    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = dict(_parsed(entry) for entry in listed)

    def lists(self, name: str) -> bool:
        """Whether the operator lists an architecture of that name."""
        return name.strip().lower() in self._listed

    def names(self) -> list[str]:
        return sorted({*self._listed, *_lite_names(), *_torchvision_names()})

    def get(self, name: str) -> Architecture:
        """The architecture of that name; Refused with similar names where there is none."""
        key = name.strip().lower()
        if self.lists(key):
            return Architecture(key, _imported(key, self._listed[key]))
        if key in _lite_names():
            return _lite(key)
        if key in _torchvision_names():
            return _from_torchvision(key)
        raise self._unknown(name)

    def _unknown(self, name: str) -> Refused:
        if not name:
            return Refused(
                N_(
                    "A file of weights needs its architecture: send architecture=, for example "
                    "resnet50 or efficientnet_lite0."
                )
            )
        near = difflib.get_close_matches(name.lower(), self.names(), n=3, cutoff=0.5)
        if not near:
            return Refused(N_("There is no architecture “%(name)s”."), name=name[:100])
        return Refused(
            N_("There is no architecture “%(name)s”. Similar ones: %(near)s."),
            name=name[:100],
            near=", ".join(near),
        )


def _parsed(entry: str) -> tuple[str, str]:
    name, _, path = entry.partition("=")
    module, _, factory = path.partition(":")
    if not (name and module and factory):
        raise ValueError(f"{entry}: an architecture is listed as name=package.module:factory")
    return name.lower(), path


def _imported(name: str, path: str) -> Factory:
    module, _, factory = path.partition(":")
    try:
        found: Factory = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise Refused(
            N_("The operator lists “%(name)s”, but it cannot be imported: %(error)s."),
            name=name,
            error=str(error),
        ) from error
    return found


@cache
def _torchvision_names() -> frozenset[str]:
    return frozenset(torchvision_models.list_models(module=torchvision_models))


def _from_torchvision(name: str) -> Architecture:
    builder = partial(torchvision_models.get_model, name, weights=None, **_QUIET.get(name, {}))
    weights = torchvision_models.get_model_weights(name)
    if not len(weights):
        return Architecture(name, builder)
    return Architecture(name, builder, _as_preprocessing(weights.DEFAULT.transforms()))


def _as_preprocessing(transforms: Any) -> Preprocessing:
    """torchvision's `ImageClassification` preset as ours."""
    side = transforms.crop_size[0]
    return Preprocessing(
        resize=transforms.resize_size[0],
        crop=(side, side),
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )


@cache
def _lite_names() -> Mapping[str, int]:
    return {f"efficientnet_lite{number}": side for number, side in enumerate(_LITE_SIZES)}


def _lite(name: str) -> Architecture:
    side = _lite_names()[name]
    preprocessing = Preprocessing(
        resize=side + 32,
        crop=(side, side),
        interpolation="bicubic",
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    )
    return Architecture(name, partial(_build_lite, name.replace("_", "-")), preprocessing)


def _build_lite(name: str, **options: Any) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    module: nn.Module = EfficientNet.from_name(name, **options)
    return module
