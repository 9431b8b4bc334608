"""Specs of versions, from the registry; kept on disk for when the database is away."""

import json
import logging
import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

from aihub.problems import N_, Problem
from inference.signature import Signature
from inference.spec import FileRef, ModelSpec
from registry import manifests
from registry.files import COMPANIONS
from registry.models import ModelVersion
from registry.preprocessing import Preprocessing
from registry.services.integrity import record_damaged
from registry.services.sealing import with_sealed

logger = logging.getLogger(__name__)


def spec_of(version: ModelVersion) -> ModelSpec:
    """What serving this version needs, as far as it is known by now."""
    return ModelSpec(
        model=version.model.name,
        version=version.version,
        version_id=version.pk,
        format=version.served_format or version.format,
        task=version.model.task,
        architecture=version.architecture,
        options=version.architecture_options,
        num_classes=version.num_classes,
        labels=tuple(version.labels),
        preprocessing=Preprocessing.parse(version.preprocessing) if version.preprocessing else None,
        files=_files(version),
        signature=Signature.from_json(version.signature) if version.signature else None,
    )


def spec_load(version_id: int) -> ModelSpec:
    """A ready version's spec: from the database, else as it was last kept.

    The database is asked first because a folder may outlive it, and ids then mean other versions.
    Raises Problem 503 where neither has it, or where its record is not what was sealed, 404 where
    the version is gone.
    """
    try:
        spec = _read(version_id)
    except (OperationalError, InterfaceError):
        logger.warning("the database is away: version %s is read from disk", version_id)
        return _kept(version_id)
    if spec is None:
        raise Problem(404, N_("The version was deleted."))
    _keep(spec)
    return spec


def _read(version_id: int) -> ModelSpec | None:
    version = with_sealed(ModelVersion.objects.filter(pk=version_id)).first()
    if version is None:
        return None
    check_seal(version)
    return spec_of(version)


def check_seal(version: ModelVersion) -> None:
    """`Unsealed` (a Problem 503), told of, where a version's record is not what was sealed."""
    try:
        manifests.check(version)
    except manifests.Unsealed as flaw:
        record_damaged(version, str(flaw))
        raise


def _files(version: ModelVersion) -> tuple[FileRef, ...]:
    """What is loaded: of a converted version the converted files, and what tells of it (labels,
    tokenizer), but never the program that was published.
    """
    rows = version.files.exclude(blob=None).order_by("path")
    names = ("path", "blob__sha256", "blob__md5", "blob__size")
    own = tuple(FileRef(*row) for row in rows.values_list(*names))
    if not version.served_format:
        return own
    converted = version.converted.order_by("path").values_list(*names)
    return (
        *(file for file in own if file.path in COMPANIONS),
        *(FileRef(*row) for row in converted),
    )


def _folder() -> Path:
    return Path(settings.HOME) / "cache" / "specs"


def _keep(spec: ModelSpec) -> None:
    """Write beside, then rename: a reader finds the whole file or none."""
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            json.dump(spec.as_json(), file)
        os.replace(file.name, folder / f"{spec.version_id}.json")  # noqa: PTH105
    except OSError:
        logger.warning("the spec of version %s cannot be kept", spec.version_id, exc_info=True)


def _kept(version_id: int) -> ModelSpec:
    try:
        return ModelSpec.from_json(json.loads((_folder() / f"{version_id}.json").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        raise Problem(
            503, N_("The database does not answer."), headers={"Retry-After": "5"}
        ) from None
