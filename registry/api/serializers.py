"""What the registry's API takes and gives."""

from functools import cached_property
from typing import Any

from django.utils.translation import gettext, gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aihub.fields import FlagField, ObjectField, StrictSerializer, TextField
from registry import selectors
from registry.api.fields import (
    MAX_CLASSES,
    AliasNameField,
    CardField,
    FilesField,
    LabelsField,
    ModelNameField,
    ParentField,
    PoolField,
    PreprocessingField,
    ProtectedAliasesField,
    ServingField,
    SourceField,
    SparsityField,
    TagsField,
    VersionField,
)
from registry.cards import card_html
from registry.models import Alias, ModelVersion, RegisteredModel, Sample, Variant
from registry.models.registered import Precision, Task
from registry.models.teams import DEFAULT_TEAM
from registry.models.versions import Format
from registry.processing.worker import PROCESSING
from registry.selectors.damage import files_damaged, version_damaged
from registry.selectors.workers import UNDECIDED, stalled

MAX_SAMPLES = 200  # files of one call


class ModelInput(StrictSerializer):
    name = ModelNameField(max_length=100)
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    card = CardField(required=False)
    tags = TagsField(required=False, max_length=100)
    team = TextField(required=False, default=DEFAULT_TEAM, max_length=64)
    task = serializers.ChoiceField(Task.choices, required=False)
    precision = serializers.ChoiceField(Precision.choices, required=False)
    pool = PoolField(required=False)
    serving = ServingField(required=False)
    shared = FlagField(required=False)
    protected_aliases = ProtectedAliasesField(required=False)


class ModelChanges(StrictSerializer):
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    card = CardField(required=False)
    tags = TagsField(required=False, max_length=100)
    task = serializers.ChoiceField(Task.choices, required=False)
    precision = serializers.ChoiceField(Precision.choices, required=False)
    pool = PoolField(required=False)
    serving = ServingField(required=False)
    shared = FlagField(required=False)
    protected_aliases = ProtectedAliasesField(required=False)


class ModelSummary(serializers.ModelSerializer[RegisteredModel]):
    """A model in a list."""

    team = serializers.CharField(source="team.name")
    tags = serializers.SerializerMethodField()
    aliases = serializers.SerializerMethodField()
    serving = ServingField(read_only=True)
    protected_aliases = serializers.ListField(child=serializers.CharField(), read_only=True)
    versions = serializers.IntegerField(source="version_count", default=0)

    class Meta:
        model = RegisteredModel
        fields: tuple[str, ...] = (
            "name",
            "team",
            "task",
            "description",
            "tags",
            "precision",
            "pool",
            "serving",
            "shared",
            "aliases",
            "protected_aliases",
            "versions",
            "created_by",
            "created_at",
            "updated_at",
        )

    def get_tags(self, model: RegisteredModel) -> list[str]:
        return [tag.name for tag in model.tag_rows.all()]

    def get_aliases(self, model: RegisteredModel) -> dict[str, str]:
        return {alias.name: alias.version.version for alias in model.aliases.all()}


class ModelOutput(ModelSummary):
    """A model, whole."""

    card_html = serializers.SerializerMethodField(help_text="The card as safe HTML.")

    class Meta(ModelSummary.Meta):
        fields = (*ModelSummary.Meta.fields, "card", "card_html")

    def get_card_html(self, model: RegisteredModel) -> str:
        return card_html(model.card)


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
    source = SourceField(required=False)  # type: ignore[assignment]
    parameters = ObjectField(required=False)
    parent = ParentField(required=False)  # type: ignore[assignment]
    card = CardField(required=False)

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
    """A multipart form; `file` and `samples` may be repeated."""

    file = FilesField(min_length=1, max_length=50)
    samples = FilesField(required=False, max_length=MAX_SAMPLES)


class SamplesInput(StrictSerializer):
    """A multipart form; `file` may be repeated."""

    file = FilesField(min_length=1, max_length=MAX_SAMPLES)


class SampleOutput(serializers.ModelSerializer[Sample]):
    size = serializers.IntegerField(source="blob.size")

    class Meta:
        model = Sample
        fields = ("name", "size", "items", "created_by", "created_at")


class DeclaredVersion(VersionFields):
    """A version in the file of `AIHUB_MODELS_FILE`."""

    name = ModelNameField(max_length=100)
    files = serializers.ListField(child=TextField(max_length=1000), min_length=1, max_length=50)
    alias = AliasNameField(required=False)


class VersionChanges(StrictSerializer):
    """`variant` pins one by name, and null or nothing lets the hub choose again."""

    description = TextField(required=False, allow_blank=True, max_length=10_000)
    metrics = ObjectField(required=False)
    source = SourceField(required=False)  # type: ignore[assignment]
    parameters = ObjectField(required=False)
    parent = ParentField(required=False)  # type: ignore[assignment]
    card = CardField(required=False)
    sparsity = SparsityField(required=False, allow_null=True)
    variant = TextField(
        required=False, allow_blank=True, allow_null=True, max_length=40, source="pinned_variant"
    )

    def validate_variant(self, name: str | None) -> str:
        return name or ""


class FileOutput(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField(source="blob.sha256", default=None, allow_null=True)
    md5 = serializers.CharField(source="blob.md5", default=None, allow_null=True)


class ConvertedOutput(serializers.Serializer[Any]):
    """A file that a program was converted into."""

    path = serializers.CharField()
    size = serializers.IntegerField(source="blob.size")
    sha256 = serializers.CharField(source="blob.sha256")


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


class VariantOutput(serializers.ModelSerializer[Variant]):
    """A row of a version's table of variants; see `registry.models.Variant`."""

    reason = serializers.CharField()
    options = serializers.DictField()
    serves = serializers.BooleanField(help_text="Whether it is what serves on that processor.")
    pinned = serializers.BooleanField()

    class Meta:
        model = Variant
        fields = (
            "name",
            "runtime",
            "precision",
            "options",
            "reference",
            "cpu",
            "state",
            "reason",
            "serves",
            "pinned",
            "agreement",
            "decided",
            "inputs",
            "inputs_from",
            "max_difference",
            "rate_1",
            "rate_8",
            "size",
            "memory",
        )


class VersionSummary(serializers.ModelSerializer[ModelVersion]):
    """A version in a list."""

    model = serializers.CharField(source="model.name")
    aliases = serializers.SerializerMethodField()
    reason = serializers.CharField()
    steps = StepOutput(many=True)
    files = FileOutput(many=True)
    damaged = serializers.SerializerMethodField(
        help_text="Whether its files or its record were found changed since it became ready."
    )

    stalled = serializers.SerializerMethodField(
        help_text="Why its processing does not go on: no worker is alive. Else null."
    )

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "model",
            "version",
            "state",
            "reason",
            "stalled",
            "aliases",
            "format",
            "architecture",
            "num_classes",
            "parameter_count",
            "size",
            "damaged",
            "files",
            "steps",
            "description",
            "created_by",
            "created_at",
            "ready_at",
        )

    def get_aliases(self, version: ModelVersion) -> list[str]:
        return [alias.name for alias in version.aliases.all()]

    def get_damaged(self, version: ModelVersion) -> bool:
        return files_damaged(version)

    def get_stalled(self, version: ModelVersion) -> str | None:
        return self._stalled if version.state in UNDECIDED else None

    @cached_property
    def _stalled(self) -> str | None:
        """Asked once for all versions of an answer."""
        return stalled(PROCESSING)


class VersionOutput(VersionSummary):
    """A version, whole; `context["caller"]` decides which other models it may name."""

    options = serializers.DictField(source="architecture_options")
    labels = serializers.ListField(child=serializers.CharField())
    preprocessing = serializers.DictField()
    metrics = serializers.DictField()
    source = serializers.DictField()  # type: ignore[assignment]
    parameters = serializers.DictField()
    parent = serializers.SerializerMethodField(  # type: ignore[assignment]
        help_text="`1.0.0` of the same model, or `other-model/1.0.0`."
    )
    children = serializers.SerializerMethodField(help_text="At most 20 of them.")
    card_html = serializers.SerializerMethodField(help_text="The card as safe HTML.")
    signature = serializers.DictField()
    report = FindingOutput(many=True)
    served_format = serializers.CharField(help_text="Empty where it is served as published.")
    converted = ConvertedOutput(
        many=True, help_text="What is served of a program, in `served_format`; else empty."
    )
    variants = serializers.SerializerMethodField()

    class Meta(VersionSummary.Meta):
        fields = (
            *VersionSummary.Meta.fields,
            "options",
            "labels",
            "preprocessing",
            "metrics",
            "source",
            "parameters",
            "parent",
            "children",
            "card",
            "card_html",
            "signature",
            "report",
            "served_format",
            "converted",
            "variants",
            "optimisation",
            "pinned_variant",
            "sparsity",
            "breaker_forced",
        )

    def get_damaged(self, version: ModelVersion) -> bool:
        return version_damaged(version)

    def get_parent(self, version: ModelVersion) -> str | None:
        return selectors.parent_of(version, self.context.get("caller"))

    def get_children(self, version: ModelVersion) -> list[str]:
        return selectors.children_of(version, self.context.get("caller"))

    def get_card_html(self, version: ModelVersion) -> str:
        return card_html(version.card)

    @extend_schema_field(VariantOutput(many=True))
    def get_variants(self, version: ModelVersion) -> Any:
        return VariantOutput(selectors.variants_shown(version), many=True).data


class AliasInput(StrictSerializer):
    """`version` may be a range too: the newest ready version in it is meant, once."""

    version = TextField(max_length=80)
    comment = TextField(required=False, allow_blank=True, max_length=2_000)
    allow_incompatible = FlagField(required=False, default=False)


class AliasOutput(serializers.ModelSerializer[Alias]):
    alias = serializers.CharField(source="name")
    model = serializers.CharField(source="model.name")
    version = serializers.CharField(source="version.version")

    class Meta:
        model = Alias
        fields = ("alias", "model", "version", "comment", "updated_by", "updated_at")
