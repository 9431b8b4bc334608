"""Publishing a version: from a form that brings its files, or from completed uploads."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from rest_framework.request import Request

from aihub.access import Action, Principal
from aihub.api import validated
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.fields import NAME
from registry.api.serializers import VersionInput
from registry.api.upload_serializers import StoredVersion, check_paths
from registry.models import ModelVersion, RegisteredModel, Upload
from registry.services.claiming import uploads_claim
from registry.services.models import denied, model_ensure
from registry.services.pointers import content_pointed
from registry.services.samples import JudgedSample, samples_judge
from registry.services.taken import in_trash, model_taken
from registry.services.uploads import uploads_peek
from registry.services.versions import Publication, version_create


def check_may_publish(principal: Principal, name: str) -> None:
    """Refuse before a body is read: unseen is 404, unpermitted 403, a bad name 400."""
    if not NAME.fullmatch(name):
        raise Problem(400, N_("“%(name)s” cannot be the name of a model."), name=name[:80])
    found = RegisteredModel.everything.filter(name_key=name.lower()).first()
    if found and in_trash(found):
        raise model_taken(principal, name)
    if found:
        selectors.model_get(principal, name, Action.PUBLISH)
    elif not (principal.is_admin or any(principal.may_create(t, name) for t in principal.roles)):
        raise Problem(403, N_("You may not create a model of this name in any team."))


def publish_form(request: Request, name: str, principal: Principal) -> ModelVersion:
    """A version of the files in a form, which were staged while it was read."""
    data = validated(VersionInput, request.data)
    files, sample_files = data.pop("file"), data.pop("samples", [])
    uploads_peek([file.staging for file in files])
    model = _model(name, principal, data)
    samples = samples_judge([file.upload for file in sample_files])
    return publish(model, principal, data, [file.upload for file in files], samples=samples)


def publish_stored(data: Any, name: str, principal: Principal) -> ModelVersion:
    """A version of what is in the store already: completed uploads, or what a pointer names."""
    fields = validated(StoredVersion, data)
    if "dvc" in fields:
        with content_pointed(principal=principal, text=fields.pop("dvc")) as uploads:
            model = _model(name, principal, fields)
            return publish(model, principal, fields, uploads)
    named = {file["upload"]: file.get("path", "") for file in fields.pop("files")}
    files = uploads_claim(principal, named)
    check_paths([file.name for file in files])
    uploads_peek(files)
    paths = {file.upload.pk: file.name for file in files}
    model = _model(name, principal, fields)
    return publish(model, principal, fields, [file.upload for file in files], paths=paths)


def publish(
    model: RegisteredModel,
    principal: Principal,
    data: dict[str, Any],
    files: Sequence[Upload],
    *,
    paths: Mapping[UUID, str] | None = None,
    samples: Sequence[JudgedSample] = (),
) -> ModelVersion:
    """A version of these files; `data` are its fields as `VersionFields` reads them."""
    version = data.pop("version")
    publication = Publication(
        version=version, files=files, fields=data, samples=samples, paths=paths or {}
    )
    return version_create(principal=principal, model=model, publication=publication)


def _model(name: str, principal: Principal, data: dict[str, Any]) -> RegisteredModel:
    """The model that the version is for, made where there is none; its fields leave `data`."""
    team_name = data.pop("team", None)
    model = model_ensure(
        principal=principal,
        name=name,
        team=selectors.team_get(team_name) if team_name else None,
        task=data.pop("task", None),
    )
    if not principal.may(Action.PUBLISH, model):
        raise denied(Action.PUBLISH, model.team)
    return model
