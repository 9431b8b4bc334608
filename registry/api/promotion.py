"""What the API of aliases and approvals takes and gives."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from aihub.access import Principal
from aihub.fields import FlagField, StrictSerializer, TextField
from registry import semver
from registry.api.fields import AliasNameField, ModelNameField
from registry.api.serializers import FindingOutput, ModelOutput
from registry.models import AliasMove, Approval, ModelVersion, RegisteredModel
from registry.selectors import promotion as selectors
from registry.services.approvals import may_cancel, may_decide
from registry.services.fitness import difference_text, signature_differences


class CommentInput(StrictSerializer):
    comment = TextField(required=False, allow_blank=True, max_length=2_000)


class ApprovalInput(StrictSerializer):
    """`version` may be a range too: the newest ready version in it is meant, once."""

    model = ModelNameField(max_length=100)
    alias = AliasNameField()
    version = TextField(max_length=80)
    comment = TextField(required=False, allow_blank=True, max_length=2_000)
    allow_incompatible = FlagField(required=False, default=False)


class NameField(serializers.CharField):
    """A version's number; null where there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class MoveOutput(serializers.ModelSerializer[AliasMove]):
    """A move: `from` and `to` are null where the alias did not point at anything."""

    to = NameField(source="to_text")
    by = serializers.CharField(source="actor_name")

    class Meta:
        model = AliasMove
        fields = ("alias", "kind", "to", "comment", "by", "at")

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": NameField(source="from_text")}


class PlaceOutput(serializers.ModelSerializer[AliasMove]):
    """Where an alias pointed at a moment."""

    version = serializers.CharField(source="to_text")
    since = serializers.DateTimeField(source="at")
    by = serializers.CharField(source="actor_name")

    class Meta:
        model = AliasMove
        fields = ("alias", "version", "since", "by", "comment")


class MovesOutput(serializers.Serializer[Any]):
    """A page of moves."""

    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = MoveOutput(many=True)


HISTORY = PolymorphicProxySerializer(
    "AliasHistory", [MovesOutput, PlaceOutput], resource_type_field_name=None
)


class ApprovalSummary(serializers.ModelSerializer[Approval]):
    """An approval in a list. `may_decide` and `may_cancel` are about the caller."""

    model = serializers.CharField(source="model.name")
    version = serializers.CharField(source="version.version")
    requested_by = serializers.CharField(source="requested_by_name")
    decided_by = serializers.CharField(source="decided_by_name")
    may_decide = serializers.SerializerMethodField()
    may_cancel = serializers.SerializerMethodField()

    class Meta:
        model = Approval
        fields: tuple[str, ...] = (
            "id",
            "model",
            "alias",
            "version",
            "comment",
            "allow_incompatible",
            "state",
            "requested_by",
            "requested_at",
            "decided_by",
            "decided_at",
            "decision",
            "may_decide",
            "may_cancel",
        )

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": NameField(source="from_text")}

    def get_may_decide(self, approval: Approval) -> bool:
        return may_decide(self._caller, approval)

    def get_may_cancel(self, approval: Approval) -> bool:
        return may_cancel(self._caller, approval)

    @property
    def _caller(self) -> Principal:
        principal: Principal = self.context["principal"]
        return principal


class DifferenceOutput(serializers.Serializer[Any]):
    field = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)
    breaking = serializers.BooleanField()
    message = serializers.SerializerMethodField()

    def get_message(self, difference: Any) -> str:
        return difference_text(difference)


class ApprovalOutput(ApprovalSummary):
    """An approval with what an owner decides on; `metrics` is `{name: {present, proposed}}`."""

    report = FindingOutput(many=True, source="version.report")
    metrics = serializers.SerializerMethodField()
    signature = serializers.SerializerMethodField()

    class Meta(ApprovalSummary.Meta):
        fields = (*ApprovalSummary.Meta.fields, "report", "metrics", "signature")

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "object"}})
    def get_metrics(self, approval: Approval) -> dict[str, dict[str, Any]]:
        return metrics_beside(self._present(approval), approval.version)

    @extend_schema_field(DifferenceOutput(many=True))
    def get_signature(self, approval: Approval) -> Any:
        differences = signature_differences(self._present(approval), approval.version)
        return DifferenceOutput(differences, many=True).data

    def _present(self, approval: Approval) -> ModelVersion | None:
        if not hasattr(approval, "present"):
            approval.present = selectors.version_before(approval)  # type: ignore[attr-defined]
        present: ModelVersion | None = approval.present  # type: ignore[attr-defined]
        return present


def metrics_beside(present: ModelVersion | None, proposed: ModelVersion) -> dict[str, Any]:
    """Each metric of either version, as `{present, proposed}`."""
    old = present.metrics if present else {}
    names = sorted({*old, *proposed.metrics})
    return {
        name: {"present": old.get(name), "proposed": proposed.metrics.get(name)} for name in names
    }


class FollowingOutput(serializers.Serializer[Any]):
    patch = serializers.CharField(allow_null=True)
    minor = serializers.CharField(allow_null=True)
    major = serializers.CharField(allow_null=True)


class ModelDetail(ModelOutput):
    """A model with suggestions for its next version."""

    next_versions = serializers.SerializerMethodField()

    class Meta(ModelOutput.Meta):
        fields: tuple[str, ...] = (*ModelOutput.Meta.fields, "next_versions")

    @extend_schema_field(FollowingOutput)
    def get_next_versions(self, model: RegisteredModel) -> Any:
        versions = ModelVersion.everything.filter(model=model).order_by("-sort_key")
        newest = versions.values_list("version", flat=True).first()
        return FollowingOutput(semver.following(newest)).data
