"""What the API of schedules takes and gives."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aihub.access import Action, Principal
from aihub.fields import FlagField, TextField
from inference.api.batch_serializers import OPTIONS, PRIORITIES, BatchJobFields
from inference.batch.schedules import Standing
from inference.batch.services import Order
from inference.models import BatchSchedule
from inference.models.batch import JobState, Priority
from inference.models.schedules import Outcome, Overlap
from registry import selectors


class BatchScheduleInput(BatchJobFields):
    """What is asked for again and again: a job over the objects under a prefix, and when."""

    name = TextField(max_length=100)
    prefix = TextField(max_length=500, help_text="The objects under it at the time of the run.")
    cron = TextField(
        max_length=200,
        help_text="Minute, hour, day of the month, month, day of the week; all five must fit.",
    )
    timezone = TextField(max_length=64, default="UTC", help_text="Such as Asia/Shanghai.")
    overlap = serializers.ChoiceField(
        Overlap.choices,
        default=Overlap.SKIP,
        help_text="What happens when the job of the run before is not over.",
    )
    active = FlagField(default=True)


class BatchScheduleChange(BatchScheduleInput):
    """Any of it. `null` takes away what was said."""

    name = TextField(max_length=100, required=False)
    model = TextField(max_length=100, required=False)
    prefix = TextField(max_length=500, required=False)
    cron = TextField(max_length=200, required=False)


class LastJobOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(JobState.choices)


class BatchScheduleOutput(serializers.ModelSerializer[BatchSchedule]):
    """A schedule. It runs with the rights that `created_by`, who last changed it, has then."""

    model = serializers.CharField(source="model_name")
    version = serializers.SerializerMethodField()
    alias = serializers.SerializerMethodField()
    team = serializers.CharField(source="team.name")
    priority = serializers.SerializerMethodField()
    options = serializers.SerializerMethodField()
    input_format = serializers.SerializerMethodField()
    last_outcome = serializers.SerializerMethodField(
        help_text="How the last run went; null before the first."
    )
    last_job = LastJobOutput(allow_null=True, help_text="The last one that it made.")
    error = serializers.CharField(help_text="Why the last run made no job; empty where it did.")

    class Meta:
        model = BatchSchedule
        fields: tuple[str, ...] = (
            *("id", "name", "model", "version", "alias", "team", "prefix", "priority"),
            *("input_format", "output_format", "options", "cron", "timezone", "overlap", "active"),
            *("next_run_at", "last_run_at", "last_outcome", "last_job", "error"),
            *("created_by", "created_at", "updated_at"),
        )

    @extend_schema_field({"type": "string", "nullable": True})
    def get_version(self, schedule: BatchSchedule) -> str | None:
        return schedule.version or None

    @extend_schema_field({"type": "string", "nullable": True})
    def get_alias(self, schedule: BatchSchedule) -> str | None:
        return schedule.alias or None

    @extend_schema_field({"type": "string", "enum": list(PRIORITIES)})
    def get_priority(self, schedule: BatchSchedule) -> str:
        return Priority(schedule.priority).name.lower()

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_options(self, schedule: BatchSchedule) -> dict[str, Any]:
        return {name: value for name, value in schedule.options.items() if name in OPTIONS}

    @extend_schema_field({"type": "string", "nullable": True})
    def get_input_format(self, schedule: BatchSchedule) -> str | None:
        form: str | None = schedule.options.get("form")
        return form

    @extend_schema_field({"type": "string", "enum": Outcome.values, "nullable": True})
    def get_last_outcome(self, schedule: BatchSchedule) -> str | None:
        return schedule.last_outcome or None


def standing_of(principal: Principal, data: Mapping[str, Any]) -> Standing:
    """What was read by `BatchScheduleInput`, of a model that the caller may use."""
    said = dict(data)
    own = {name: said.pop(name) for name in ("name", "cron", "timezone", "overlap", "active")}
    model = selectors.model_get(principal, said.pop("model"), Action.PREDICT)
    team = said.pop("team", None)
    order = Order(model=model, team=selectors.team_get(team) if team else None, **said)
    return Standing(**own, order=order)


def as_said(schedule: BatchSchedule) -> dict[str, Any]:
    """What `BatchScheduleInput` reads as this schedule."""
    options = dict(schedule.options)
    said = {
        **{name: options[name] for name in OPTIONS if name in options},
        "input_format": options.get("form"),
        "model": schedule.model_name,
        "version": schedule.version or None,
        "alias": schedule.alias or None,
        "team": schedule.team.name,
        "priority": Priority(schedule.priority).name.lower(),
        **{name: getattr(schedule, name) for name in _PLAIN},
    }
    return {name: value for name, value in said.items() if value is not None}


_PLAIN = ("name", "prefix", "output_format", "cron", "timezone", "overlap", "active")


def changed(schedule: BatchSchedule, changes: Any) -> dict[str, Any]:
    """What `BatchScheduleInput` reads as this schedule with changes; `ValidationError` (400).

    A version takes the place of an alias, and an alias that of a version.
    """
    if not isinstance(changes, Mapping):
        raise serializers.ValidationError(_("Must be a JSON object."))
    said = as_said(schedule)
    for name, other in (("version", "alias"), ("alias", "version")):
        if changes.get(name) is not None:
            said.pop(other, None)
    said |= changes
    return {name: value for name, value in said.items() if value is not None}
