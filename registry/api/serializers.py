"""What the registry's API takes and gives."""

import json
import re
from typing import Any

from django.utils.translation import gettext, gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry import preprocessing, semver
from registry.api.streaming import StagedFile
from registry.models import Alias, ModelVersion, RegisteredModel
from registry.models.registered import Precision, Task
from registry.models.teams import DEFAULT_TEAM
from registry.models.versions import Format
from registry.refusals import Refused

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", re.ASCII)
ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
MAX_CLASSES = 1_000_000
JSON_MAX = 1024 * 1024
JSON_DEPTH = 20  # MariaDB takes no JSON that is deeper than 32


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields: a typing error must not pass in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if hasattr(data, "keys"):
            unknown = sorted(
                {str(name) for name in data} - set(self.fields) - {"csrfmiddlewaretoken"}
            )
            if unknown:
                raise serializers.ValidationError({name: _("No such field.") for name in unknown})
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """Text that is text in JSON too, and holds no NUL."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class ModelNameField(TextField):
    default_error_messages = {
        "name": _("1 to 100 of a-z, A-Z, 0-9, “.”, “_”, “-”; first and last a letter or digit.")
    }

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not NAME.fullmatch(name):
            self.fail("name")
        return name


class AliasNameField(TextField):
    default_error_messages = {
        "name": _("An alias is 1 to 64 of a-z, 0-9, “_”, “-”, a letter first.")
    }

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not ALIAS.fullmatch(name):
            self.fail("name")
        return name


class VersionField(TextField):
    def to_internal_value(self, data: Any) -> Any:
        return _refusable(semver.parse, super().to_internal_value(data))


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object, sent as JSON or as text in a form; no NaN, no deep nesting."""

    def to_internal_value(self, data: Any) -> Any:
        if getattr(data, "is_json_string", False) and len(data) > JSON_MAX:
            raise serializers.ValidationError(_("Longer than 1 MiB."))
        try:
            value = super().to_internal_value(data)
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise serializers.ValidationError(_("Not valid JSON.")) from None
        if not isinstance(value, dict):
            raise serializers.ValidationError(_("Must be a JSON object."))
        if _is_deep(value, JSON_DEPTH):
            raise serializers.ValidationError(_("Nested too deep."))
        return value


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class LabelsField(serializers.Field[Any, Any, Any, Any]):
    """A JSON list, or a file that holds one or a label a line."""

    def get_value(self, dictionary: Any) -> Any:
        return dictionary.get(self.field_name, serializers.empty)

    def to_internal_value(self, data: Any) -> list[str]:
        labels = _labels_of(_text_of(data)) if not isinstance(data, list) else data
        if not all(map(_is_label, labels)):
            raise serializers.ValidationError(_("Each label must be text of 1 to 200 characters."))
        if len(labels) > MAX_CLASSES:
            raise serializers.ValidationError(_("Too many labels."))
        return labels

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "resize": {},
            "crop": {},
            "interpolation": {"type": "string"},
            "mean": {"type": "array", "items": {"type": "number"}},
            "std": {"type": "array", "items": {"type": "number"}},
        },
    }
)
class PreprocessingField(ObjectField):
    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        return _refusable(preprocessing.Preprocessing.parse, value).as_json() if value else {}


class TagsField(serializers.ListField):
    child = TextField(max_length=64)
    max_length = 100


class ModelInput(StrictSerializer):
    name = ModelNameField(max_length=100)
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    card = TextField(required=False, allow_blank=True, max_length=100_000)
    tags = TagsField(required=False, max_length=100)
    team = TextField(required=False, default=DEFAULT_TEAM, max_length=64)
    task = serializers.ChoiceField(Task.choices, required=False)
    precision = serializers.ChoiceField(Precision.choices, required=False)
    shared = serializers.BooleanField(required=False)


class ModelChanges(StrictSerializer):
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    card = TextField(required=False, allow_blank=True, max_length=100_000)
    tags = TagsField(required=False, max_length=100)
    task = serializers.ChoiceField(Task.choices, required=False)
    precision = serializers.ChoiceField(Precision.choices, required=False)
    shared = serializers.BooleanField(required=False)


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
    team = TextField(required=False, default=DEFAULT_TEAM, max_length=64)
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


def _refusable(parse: Any, value: Any) -> Any:
    try:
        return parse(value)
    except Refused as refused:
        message = gettext(refused.message)
        raise serializers.ValidationError(
            message % refused.values if refused.values else message
        ) from None


def _text_of(data: Any) -> str:
    if isinstance(data, str):
        return data
    if hasattr(data, "read"):
        try:
            return str(data.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise serializers.ValidationError(_("The labels file is not UTF-8 text.")) from None
    raise serializers.ValidationError(_("Must be a JSON list, or a file."))


def _is_deep(value: Any, most: int) -> bool:
    """Whether lists and objects lie within each other more than `most` times."""
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_is_deep(child, most - 1) for child in children)


def _is_label(value: Any) -> bool:
    if not (isinstance(value, str) and 0 < len(value) <= 200):
        return False
    return "\0" not in value and value.encode(errors="replace").decode() == value


def _labels_of(text: str) -> list[Any]:
    if not text.lstrip().startswith(("[", "{")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        raise serializers.ValidationError(_("Not valid JSON.")) from None
    if not isinstance(labels, list):
        raise serializers.ValidationError(_("Must be a JSON list, or a file."))
    return labels
