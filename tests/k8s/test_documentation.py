"""docs/kubernetes.md names what is there."""

import re
from pathlib import Path

import pytest

from aihub import __version__
from aihub.env import BASE_DIR
from ops.spot import settings
from ops.spot.notices import PROVIDERS
from tests.k8s.manifests import K8S, OVERLAYS, example_secrets
from tests.k8s.test_render import NEWEST, OLDEST

TEXT = (BASE_DIR / "docs" / "kubernetes.md").read_text()
PATHS = sorted(set(re.findall(r"(?<![\w/.])(?:k8s|ops|docs)/[\w./-]*\w", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_the_paths_that_it_names_are_there(path: str) -> None:
    found = (BASE_DIR / path).exists()
    is_made = path.endswith(".env") and (BASE_DIR / f"{path}.example").exists()
    assert found or is_made or "$" in path or path.endswith("secrets/$name")


def test_it_names_every_overlay_and_example() -> None:
    for folder in OVERLAYS:
        assert folder.split("/")[1] in TEXT
    components = {path.name for path in (K8S / "components").iterdir()}
    assert {name for name in components if name not in TEXT} == set()


def test_it_names_every_secret_and_key_or_says_where_they_stand() -> None:
    for name, keys in example_secrets().items():
        assert f"`{name}`" in TEXT
        if name != "aihub-data":
            assert [key for key in keys if key not in TEXT] == []


def test_it_names_every_variable_and_provider_of_the_handler() -> None:
    read = set(re.findall(r'"(SPOT_\w+)"', Path(settings.__file__).read_text()))
    assert read
    assert [name for name in read if f"`{name}`" not in TEXT] == []
    assert [name for name in PROVIDERS if f"`{name}`" not in TEXT] == []


def test_it_names_this_version_and_the_releases_that_are_tried() -> None:
    assert f"aihub:{__version__}" in TEXT
    assert f"Kubernetes {OLDEST} and {NEWEST}" in TEXT
