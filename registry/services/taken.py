"""Why a name or a number cannot be had: it is there, or in the trash."""

from aihub.access import Action, Principal
from aihub.problems import N_, Problem
from registry.models import ModelVersion, RegisteredModel


def model_taken(principal: Principal, name: str) -> Problem:
    """The 409 for a model's name; who may not see what lies in the trash hears nothing of it."""
    found = RegisteredModel.everything.filter(name_key=name.lower()).first()
    if found and in_trash(found) and sees(principal, found):
        return Problem(
            409,
            N_("“%(name)s” is in the trash. Restore it, or delete it there for good."),
            name=found.name,
        )
    return Problem(409, N_("A model with the name “%(name)s” exists."), name=name)


def version_taken(model: RegisteredModel, key: str, text: str) -> Problem:
    """The 409 for a version's number."""
    found = ModelVersion.everything.filter(model=model, version_key=key).first()
    if found and in_trash(found):
        return Problem(
            409,
            N_(
                "Version %(version)s of “%(model)s” is in the trash. Restore it, delete it there "
                "for good, or publish another."
            ),
            version=found.version,
            model=model.name,
        )
    return Problem(
        409,
        N_("Version %(version)s of “%(model)s” exists and never changes; publish another."),
        version=text,
        model=model.name,
    )


def in_trash(row: RegisteredModel | ModelVersion) -> bool:
    return row.deleted_at is not None


def sees(principal: Principal, model: RegisteredModel) -> bool:
    """Whether a caller may know of the model at all."""
    return any(principal.may(action, model) for action in Action)
