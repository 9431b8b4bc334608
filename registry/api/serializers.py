"""What the registry's API takes and gives."""

from typing import Any

from django.utils.translation import gettext, gettext_lazy as _
from rest_framework import serializers

from aihub.fields import FlagField, ObjectField, StrictSerializer, TextField
from registry.api.fields import (
    MAX_CLASSES,
    AliasNameField,
    LabelsField,
    ModelNameField,
    PreprocessingField,
    TagsField,
    VersionField,
)
from registry.api.streaming import StagedFile
from registry.models import Alias, ModelVersion, RegisteredModel
from registry.models.registered import Precision, Task
from registry.models.teams import DEFAULT_TEAM
from registry.models.versions import Format


class ModelInput(StrictSerializer):
    name = ModelNameField(max_length=100)
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    card = TextField(required=False, allow_blank=True, max_length=100_000)
    tags = TagsField(required=False, max_length=100)
    team = TextField(required=False, default=DEFAULT_TEAM, max_length=64)
    task = serializers.ChoiceField(Task.choices, required=False)
    precision = serializers.ChoiceField(Precision.choices, required=False)
    shared = FlagField(required=False)


class ModelChanges(StrictSerializer):
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    card = TextField(required=False, allow_blank=True, max_length=100_000)
    tags = TagsField(required=False, max_length=100)
    task = serializers.ChoiceField(Task.choices, required=False)
    precision = serializers.ChoiceField(Precision.choices, required=False)
    shared = FlagField(required=False)


class ModelOutput(serializers.ModelSerializer[RegisteredModel]):
    team = serializers.CharField(source="team.name")
    tags = serializers.SerializerMethodField()
    aliases = serializers.SerializerMethodField()
    versions = serializers.IntegerField(source="version_count", default=0)

    class Meta:
        model = RegisteredModel
        fields = (
            "name",
            "team",
            "task",
            "description",
            "card",
            "tags",
            "precision",
            "shared",
            "aliases",
            "versions",
            "created_by",
            "created_at",
            "updated_at",
        )

    def get_tags(self, model: RegisteredModel) -> list[str]:
        return [tag.name for tag in model.tag_rows.all()]

    def get_aliases(self, model: RegisteredModel) -> dict[str, str]:
        return {alias.name: alias.version.version for alias in model.aliases.all()}


class VersionFields(StrictSerializer):
    """What is said of a version when it is published, whatever way its files come."""

    version = VersionField()
    team = TextField(required=False, max_length=64)
    task = serializers.ChoiceField(Task.choices, required=False)
    format = serializers.ChoiceField(Format.choices, required=False)
    architecture = TextField(required=False, allow_blank=True, max_length=100)
    options = ObjectField(required=False)
    num_classes = serializers.IntegerField(required=False, min_value=1, max_value=MAX_CLASSES)
    labels = LabelsField(required=False)
    preprocessing = PreprocessingField(required=False)
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    metrics = ObjectField(required=False)
    source = ObjectField(required=False)  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        classes, labels = attrs.get("num_classes"), attrs.get("labels")
        if classes and labels and classes != len(labels):
            message = _("There are %(labels)s labels for %(classes)s classes.")
            raise serializers.ValidationError(
                {"labels": message % {"labels": len(labels), "classes": classes}}
            )
        if "options" in attrs:
            attrs["architecture_options"] = attrs.pop("options")
        return attrs


class VersionInput(VersionFields):
    """A multipart form; `file` may be repeated."""

    file = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), min_length=1, max_length=50
    )

    def validate_file(self, files: list[StagedFile]) -> list[StagedFile]:
        names = [file.upload.filename for file in files]
        if len(set(names)) != len(names):
            raise serializers.ValidationError(_("Two files have the same name."))
        return files


class DeclaredVersion(VersionFields):
    """A version in the file of `AIHUB_MODELS_FILE`."""

    name = ModelNameField(max_length=100)
    files = serializers.ListField(child=TextField(max_length=1000), min_length=1, max_length=50)
    alias = AliasNameField(required=False)


class VersionChanges(StrictSerializer):
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    metrics = ObjectField(required=False)
    source = ObjectField(required=False)  # type: ignore[assignment]


class FileOutput(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField(source="blob.sha256", default=None, allow_null=True)
    md5 = serializers.CharField(source="blob.md5", default=None, allow_null=True)


class StepOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    state = serializers.ChoiceField(["pending", "running", "done", "failed"])
    progress = serializers.FloatField()
    duration_ms = serializers.IntegerField(allow_null=True)


class FindingOutput(serializers.Serializer[Any]):
    file = serializers.CharField()
    layer = serializers.CharField()
    severity = serializers.CharField()
    message = serializers.SerializerMethodField()

    def get_message(self, finding: dict[str, Any]) -> str:

        values = finding.get("values")
        message = gettext(str(finding["message"]))
        return message % values if values else message


class VersionSummary(serializers.ModelSerializer[ModelVersion]):
    """A version in a list."""

    model = serializers.CharField(source="model.name")
    aliases = serializers.SerializerMethodField()
    reason = serializers.CharField()
    steps = StepOutput(many=True)
    files = FileOutput(many=True)

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "model",
            "version",
            "state",
            "reason",
            "aliases",
            "format",
            "architecture",
            "num_classes",
            "parameter_count",
            "size",
            "files",
            "steps",
            "description",
            "created_by",
            "created_at",
            "ready_at",
        )

    def get_aliases(self, version: ModelVersion) -> list[str]:
        return [alias.name for alias in version.aliases.all()]


class VersionOutput(VersionSummary):
    """A version, whole."""

    options = serializers.DictField(source="architecture_options")
    labels = serializers.ListField(child=serializers.CharField())
    preprocessing = serializers.DictField()
    metrics = serializers.DictField()
    source = serializers.DictField()  # type: ignore[assignment]
    signature = serializers.DictField()
    report = FindingOutput(many=True)
    variants = serializers.SerializerMethodField()

    class Meta(VersionSummary.Meta):
        fields = (
            *VersionSummary.Meta.fields,
            "options",
            "labels",
            "preprocessing",
            "metrics",
            "source",
            "signature",
            "report",
            "variants",
        )

    def get_variants(self, version: ModelVersion) -> list[dict[str, Any]]:
        """The forms of the version that can serve; so far its reference form alone."""
        if version.state != "ready":
            return []
        return [{"format": version.format, "precision": "fp32", "reference": True}]


class AliasInput(StrictSerializer):
    version = TextField(max_length=80)
    comment = TextField(required=False, allow_blank=True, max_length=2_000)


class AliasOutput(serializers.ModelSerializer[Alias]):
    alias = serializers.CharField(source="name")
    model = serializers.CharField(source="model.name")
    version = serializers.CharField(source="version.version")

    class Meta:
        model = Alias
        fields = ("alias", "model", "version", "comment", "updated_by", "updated_at")
