"""Rows that a change needs to stay as they are until its transaction ends."""

from aihub.problems import N_, Problem
from registry.models import ModelVersion, RegisteredModel


def lock_model(pk: int) -> RegisteredModel:
    """The model as it is now; `Problem` 404 where it was deleted meanwhile."""
    model = RegisteredModel.objects.select_for_update().filter(pk=pk).first()
    if model is None:
        raise Problem(404, N_("The model was deleted meanwhile."))
    return model


def lock_version(pk: int) -> ModelVersion:
    """The version as it is now; `Problem` 404 where it was deleted meanwhile."""
    version = ModelVersion.objects.select_for_update().filter(pk=pk).first()
    if version is None:
        raise Problem(404, N_("The version was deleted meanwhile."))
    return version
