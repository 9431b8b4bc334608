"""Whether an alias may point at a version: ready, there, and fit for those who call it."""

from django.utils.translation import gettext

from aihub.problems import N_, Problem
from registry.models import ModelVersion
from registry.models.registered import Task
from registry.models.versions import State
from registry.signatures import Difference, Interface, compare, is_breaking


def require_ready(version: ModelVersion) -> None:
    """`Problem` 409 for a version that does not serve."""
    if version.state != State.READY:
        raise Problem(
            409,
            N_("Version %(version)s is %(state)s; an alias points at ready versions only."),
            version=version.version,
            state=version.state,
        )


def require_fit(present: ModelVersion | None, version: ModelVersion, *, allowed: bool) -> None:
    """`Problem` 409 that lists what would break for callers, unless that is meant."""
    differences = signature_differences(present, version)
    if present is None or allowed or not is_breaking(differences):
        return
    breaking = [difference for difference in differences if difference.breaking]
    raise Problem(
        409,
        N_(
            "Version %(version)s breaks what callers of %(present)s rely on: %(differences)s "
            "Say “allow_incompatible” if that is meant."
        ),
        errors=[{"field": one.field, "detail": difference_text(one)} for one in breaking],
        version=version.version,
        present=present.version,
        differences=" ".join(map(difference_text, breaking)),
    )


def signature_differences(present: ModelVersion | None, version: ModelVersion) -> list[Difference]:
    """How a version differs from the one that serves now, for those who call it."""
    return compare(_interface(present), _interface(version)) if present else []


def difference_text(difference: Difference) -> str:
    """A difference in the reader's language."""
    return gettext(difference.message) % difference.values


def _interface(version: ModelVersion) -> Interface:
    return Interface(
        signature=version.signature,
        labels=version.labels,
        num_classes=version.num_classes,
        pictures=version.model.task == Task.IMAGE_CLASSIFICATION,
    )
