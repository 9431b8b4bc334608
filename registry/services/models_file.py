"""Models declared in a YAML file, published at start where they are missing.

models:
  - name: digits
    version: 1.0.0
    files: [digits.onnx]          # beside the YAML file, or absolute
    task: tensor                  # any field of a version may follow
    alias: production             # given once the version is ready
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from aihub.events import SYSTEM
from aihub.problems import N_, Problem
from registry import selectors
from registry.api.serializers import DeclaredVersion
from registry.models import ModelVersion, RegisteredModel
from registry.services.models import model_ensure
from registry.services.uploads import Staging, upload_begin, upload_discard, uploads_peek
from registry.services.versions import Publication, version_create


def publish_missing(path: Path) -> list[ModelVersion]:
    """Publish what the file declares and the registry lacks; answers what was published.

    Raises `Problem` 400 where the file does not fit; nothing is published then.
    """
    declared = [_checked(entry, path) for entry in _entries(path)]
    return [version for entry in declared if (version := _publish(entry))]


def _entries(path: Path) -> list[Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _wrong(path, str(error)) from None
    entries = data.get("models") if isinstance(data, Mapping) else data
    if not isinstance(entries, list):
        raise _wrong(path, "it must hold a list under “models”")
    return entries


def _checked(entry: Any, path: Path) -> dict[str, Any]:
    serializer = DeclaredVersion(data=entry)
    if not serializer.is_valid():
        raise _wrong(path, str(dict(serializer.errors)))
    data = dict(serializer.validated_data)
    data["team"] = selectors.team_get(data["team"]) if "team" in data else None
    data["files"] = [path.parent / file for file in data["files"]]
    for file in data["files"]:
        if not file.is_file():
            raise _wrong(path, f"there is no file {file}")
    return data


def _publish(data: dict[str, Any]) -> ModelVersion | None:
    trashed = RegisteredModel.everything.exclude(deleted_at=None)
    if trashed.filter(name_key=data["name"].lower()).exists():
        return None
    team = data.pop("team")
    files = data.pop("files")
    data["alias_when_ready"] = data.pop("alias", "")
    model = model_ensure(
        principal=SYSTEM, name=data.pop("name"), team=team, task=data.pop("task", None)
    )
    version = data.pop("version")
    if ModelVersion.everything.filter(model=model, version_key=version.key).exists():
        return None  # in the trash, it is there by somebody's decision
    stagings: list[Staging] = []
    try:
        for file in files:
            _stage(file, stagings)
        uploads_peek(stagings)
        uploads = [staging.upload for staging in stagings]
        publication = Publication(version=version, files=uploads, fields=data)
        return version_create(principal=SYSTEM, model=model, publication=publication)
    except Exception:
        for staging in stagings:
            upload_discard(staging.upload)
        raise


def _stage(file: Path, stagings: list[Staging]) -> None:
    staging = upload_begin(filename=file.name, created_by=SYSTEM.name)
    stagings.append(staging)
    staging.fill(file)


def _wrong(path: Path, what: str) -> Problem:
    return Problem(400, N_("%(path)s: %(what)s"), path=str(path), what=what)
