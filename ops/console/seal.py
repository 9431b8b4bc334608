"""Whether a version is still what the hub sealed, in words."""

from typing import Any

from django.utils.translation import gettext

from registry import manifests
from registry.models import ModelVersion
from registry.models.versions import State


def seal_shown(version: ModelVersion) -> dict[str, Any]:
    """`valid`, and what is wrong: why the seal does not fit, which files are damaged.

    Nothing for a version that is not ready: it has no seal.
    """
    if version.state != State.READY:
        return {}
    problem = ""
    try:
        manifests.check(version)
    except manifests.Unsealed as unsealed:
        problem = unsealed.detail(gettext)
    damaged = _damaged(version)
    return {"valid": not problem and not damaged, "problem": problem, "damaged": damaged}


def _damaged(version: ModelVersion) -> list[str]:
    """The files whose content was found not to have its sums."""
    stored: list[Any] = [*version.files.all(), *version.converted.all()]
    return [file.path for file in stored if file.blob and file.blob.damaged_at]
