"""Architectures by name, and options that may not hurt."""

import tracemalloc

import pytest

from inference import building
from inference.architectures import Architectures
from registry.refusals import Refused
from tests.inference.samples import DIGITS_ARCHITECTURE

ALL = Architectures()


def test_it_knows_torchvision_and_lite() -> None:
    assert {"resnet50", "vit_b_16", "regnet_x_400mf", "efficientnet_lite4"} <= set(ALL.names())


@pytest.mark.parametrize("name", ALL.names())
def test_every_architecture_can_be_outlined(name: str) -> None:
    assert any(7 in shape for shape in building.outline(ALL.get(name), 7, {}).values())


def test_it_prepares_as_the_weights_of_torchvision_ask() -> None:
    found = ALL.get("efficientnet_b1").preprocessing
    assert (found.resize, found.crop, found.interpolation) == (255, (240, 240), "bilinear")


def test_it_prepares_lite_at_its_size() -> None:
    found = ALL.get("efficientnet_lite1").preprocessing
    assert (found.resize, found.crop, found.interpolation) == (272, (240, 240), "bicubic")


def test_it_names_similar_ones() -> None:
    with pytest.raises(Refused, match="resnet50"):
        ALL.get("resnet5O")


def test_it_asks_for_a_name() -> None:
    with pytest.raises(Refused, match="architecture="):
        ALL.get("")


def test_it_imports_what_the_operator_lists() -> None:
    found = Architectures([DIGITS_ARCHITECTURE]).get("digits_cnn")
    assert building.outline(found, 5, {"width": 2})["5.weight"] == (5, 8)


@pytest.mark.parametrize("path", ["os:system", "no.such.module:factory", "tests.cast:nothing"])
def test_a_client_cannot_name_code(path: str) -> None:
    with pytest.raises(Refused, match="no architecture"):
        ALL.get(path)


@pytest.mark.parametrize("entry", ["digits", "digits=module", "=a:b", "digits=:b"])
def test_it_refuses_an_entry_of_another_form(entry: str) -> None:
    with pytest.raises(ValueError, match="name=package"):
        Architectures([entry])


def test_it_says_that_a_listed_one_cannot_be_imported() -> None:
    with pytest.raises(Refused, match="cannot be imported"):
        Architectures(["gone=no.such.module:factory"]).get("gone")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet50", {"weights": "DEFAULT"}),
        ("resnet50", {"weights_backbone": "DEFAULT"}),
        ("resnet50", {"progress": True}),
        ("resnet50", {"num_classes": 3}),
        ("resnet50", {"nope": 1}),
        ("resnet50", {"not a name": 1}),
        ("resnet50", {"layers": [1, 1, 1, 1]}),
        ("resnet50", {"norm_layer": "torch.nn.Identity"}),
        ("resnet50", {"width_per_group": {"a": 1}}),
        ("resnet50", {"width_per_group": 10**30}),
        ("resnet50", {"replace_stride_with_dilation": [[[[[[1]]]]]]}),
        ("mobilenet_v2", {"inverted_residual_setting": [[1, 16, 999_999, 1]]}),
        ("mobilenet_v2", {"inverted_residual_setting": [[1, 16, 1, 1]] * 1000}),
        ("efficientnet_lite0", {"depth_coefficient": 100_000.0}),
        ("maxvit_t", {"input_size": [999_999, 999_999]}),
    ],
)
def test_it_refuses_unfit_options(name: str, options: dict[str, object]) -> None:
    with pytest.raises(Refused):
        building.outline(ALL.get(name), 10, options)


def test_absurd_options_allocate_nothing() -> None:
    tracemalloc.start()
    shapes = building.outline(ALL.get("resnet50"), 10, {"width_per_group": 1_000_000})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(max(shape, default=0) for shape in shapes.values()) >= 1_000_000
    assert peak < 50 * 1024 * 1024
