"""Rows of a large registry: models of many teams, each with a hundred versions and their history.

Made by `bulk_create`, so that a hundred thousand versions take a minute or two; they are the same
in every run. Django must have been set up.
"""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from aihub.access import Role
from ops.models import AuditEvent
from registry import semver
from registry.models import (
    Alias,
    AliasMove,
    Approval,
    Blob,
    LabelSet,
    Membership,
    ModelTag,
    ModelVersion,
    RegisteredModel,
    Team,
    Upload,
    VersionFile,
    VersionMetric,
    VersionText,
)
from registry.searching.rows import version_text
from registry.services.search_rows import labels_ensure

VERSIONS = 100  # of a model
TEAMS, TAGS, LABEL_SETS, LABELS = 20, 10_000, 200, 100
ALIASES = ("production", "staging", "canary")
MOVES = 20  # of an alias
BESIDE = 1_000  # uploads of each person, approvals, models in the trash
BUSY = "model-0008"  # whose alias moved as often as all others together
BATCH = 2_000
START = datetime(2025, 1, 1, tzinfo=UTC)
WORDS = [
    "fast",
    "small",
    "large",
    "vision",
    "speech",
    "text",
    "night",
    "rain",
    "road",
    "face",
    "crop",
    "grain",
    "ship",
    "plate",
]
FORMATS = ("onnx", "safetensors", "state_dict", "openvino")


def fill(count: int) -> None:
    """Make `count` models with everything that belongs to them."""
    dice = random.Random(7)
    teams = make(Team(name=f"team-{number:02d}") for number in range(TEAMS))
    _people(teams)
    models_ = make(_model(number, teams[number % TEAMS], dice) for number in range(count))
    make(row for model in models_ for row in _tags(model, dice))
    sets = [labels_ensure(_labels(number)) for number in range(LABEL_SETS)]
    for model in models_:
        _versions(model, sets, dice)
    versions = ModelVersion.objects.only("pk", "version", "model_id").order_by("pk")
    for model in models_:
        _aliases(model, list(versions.filter(model=model)), dice)
    make(_approval(model, number) for model in models_[:40] for number in range(BESIDE // 40))
    make(_thrown(number, teams) for number in range(BESIDE))
    people = User.objects.all()
    make(_upload(person, number) for person in people for number in range(BESIDE))


def _people(teams: list[Team]) -> None:
    """An administrator, and a developer who is in half of the teams."""
    User.objects.create_superuser("admin")
    developer = User.objects.create_user("developer")
    make(Membership(team=team, user=developer, role=Role.DEVELOPER) for team in teams[::2])


def _model(number: int, team: Team, dice: random.Random) -> RegisteredModel:
    name = f"model-{number:04d}"
    return RegisteredModel(
        team=team,
        name=name,
        name_key=name,
        description=_text(dice, 30),
        card=f"# {name}\n\n" + _text(dice, 400),
        shared=number % 50 == 0,
        created_by="developer",
    )


def _tags(model: RegisteredModel, dice: random.Random) -> Iterator[ModelTag]:
    for tag in {f"tag-{dice.randrange(TAGS)}" for _ in range(10)} | {dice.choice(WORDS)}:
        yield ModelTag(model=model, name=tag)


def _labels(number: int) -> list[str]:
    common = ["background"] if number % 2 else []
    return common + [f"class {number} {index}" for index in range(LABELS)]


def _versions(model: RegisteredModel, sets: list[LabelSet], dice: random.Random) -> None:
    """A model's versions with their files, metrics and a line in the audit trail each."""
    versions = make(_version(model, number, sets, dice) for number in range(VERSIONS))
    blobs = make(_blob(version) for version in versions)
    make(
        VersionFile(version=version, path="model.onnx", size=blob.size, blob=blob)
        for version, blob in zip(versions, blobs, strict=True)
    )
    make(
        VersionMetric(version=version, name=name, value=value)
        for version in versions
        for name, value in version.metrics.items()
    )
    make(_searched(version) for version in versions)
    make(
        AuditEvent(
            at=version.created_at,
            action="version.created",
            subject=f"{model.name}/{version.version}",
            actor="user:1",
            actor_name="developer",
            team_id=model.team_id,
        )
        for version in versions
    )


def _version(
    model: RegisteredModel, number: int, sets: list[LabelSet], dice: random.Random
) -> ModelVersion:
    parsed = semver.parse(f"1.{number // 10}.{number % 10}")
    index = dice.randrange(len(sets))
    metrics = {"accuracy": dice.random(), "loss": dice.random() * 3, "test.f1": dice.random()}
    rejected = dice.random() < 0.05
    return ModelVersion(
        model=model,
        version=parsed.text,
        version_key=parsed.key,
        sort_key=parsed.sort_key,
        state="rejected" if rejected else "ready",
        reason_message="It is broken." if rejected else "",
        format=dice.choice(FORMATS),
        architecture="resnet50",
        num_classes=LABELS,
        labels=_labels(index),
        label_set=sets[index],
        preprocessing={"resize": 256, "crop": 224, "mean": [0.5] * 3, "std": [0.5] * 3},
        description=_text(dice, 25),
        metrics=metrics,
        source={"repository": "https://git.example/models", "commit": f"{dice.getrandbits(160):x}"},
        parameters={"epochs": 90, "rate": dice.random()},
        card=_text(dice, 120),
        signature={"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 224, 224]}]},
        size=dice.randrange(1_000_000, 500_000_000),
        steps=[
            {"name": name, "state": "done", "progress": 1.0, "duration_ms": 40}
            for name in ("checksum", "identify", "scan", "convert", "load", "sample")
        ],
        report=[{"file": "model.onnx", "layer": "graph", "severity": "info", "message": "Fine."}],
        manifest={"files": [{"path": "model.onnx", "sha256": "0" * 64, "size": 1}] * 3},
        created_by=f"person-{dice.randrange(50)}",
        created_at=START + timedelta(seconds=dice.randrange(40_000_000)),
        updated_at=START,
        ready_at=START,
    )


def _searched(version: ModelVersion) -> VersionText:
    parts = (version.model.name, version.version, version.architecture, version.description)
    return VersionText(version=version, text=version_text(*parts))


def _blob(version: ModelVersion) -> Blob:
    digest = hashlib.sha256(f"{version.pk}".encode()).hexdigest()
    return Blob(sha256=digest, md5=digest[:32], size=version.size)


def _aliases(model: RegisteredModel, versions: list[ModelVersion], dice: random.Random) -> None:
    """Where aliases point, and how they came there."""
    for name in ALIASES:
        moves = MOVES * (100 if model.name == BUSY else 1)
        way = [dice.choice(versions) for _ in range(moves)]
        make(
            AliasMove(
                model=model,
                alias=name,
                from_version=before,
                from_text=before.version,
                to_version=after,
                to_text=after.version,
                comment="better",
                actor="user:1",
                actor_name="developer",
                at=START + timedelta(hours=hour),
            )
            for hour, (before, after) in enumerate(zip([way[0], *way], way, strict=False))
        )
        Alias.objects.bulk_create([Alias(model=model, name=name, version=way[-1])])


def _approval(model: RegisteredModel, number: int) -> Approval:
    """A request for the newest version, decided but for a few."""
    return Approval(
        model=model,
        alias="production",
        version=model.versions.latest("pk"),
        comment="better",
        requested_by="user:0",
        requested_by_name="somebody",
        state="pending" if number < 2 else "approved",
    )


def _thrown(number: int, teams: list[Team]) -> RegisteredModel:
    """A model in the trash."""
    name = f"gone-{number:04d}"
    return RegisteredModel(
        team=teams[number % TEAMS],
        name=name,
        name_key=name,
        created_by="developer",
        deleted_at=START,
        deleted_by="developer",
    )


def _upload(person: User, number: int) -> Upload:
    return Upload(
        filename=f"weights-{number}.onnx",
        size=64 * 1024 * 1024,
        state="open" if number % 2 else "complete",
        part_size=16 * 1024 * 1024,
        owner=f"user:{person.pk}",
        created_by=person.username,
        expires_at=timezone.now() + timedelta(days=1),
    )


def _text(dice: random.Random, words: int) -> str:
    return " ".join(dice.choice(WORDS) for _ in range(words))


def make(rows: Iterator[Any]) -> list[Any]:
    """Rows written in batches, as their keys say; moments that were given are kept."""
    made: list[Any] = []
    while batch := list(islice(rows, BATCH)):
        manager = getattr(type(batch[0]), "everything", type(batch[0])._default_manager)
        given = {id(row): getattr(row, "created_at", None) for row in batch}
        made += manager.bulk_create(batch)
        _keep_moments(batch, given)
    return made


def _keep_moments(batch: list[models.Model], given: dict[int, Any]) -> None:
    """`auto_now_add` overwrites the moments of versions: put them back."""
    if isinstance(batch[0], ModelVersion):
        for row in batch:
            row.created_at = given[id(row)]
        ModelVersion.everything.bulk_update(batch, ["created_at"])
