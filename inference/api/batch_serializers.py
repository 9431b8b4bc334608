"""What the API of batch jobs takes and gives."""

import codecs
from typing import Any

from django.utils.translation import gettext, gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aihub.fields import FlagField, FormFlagField, ObjectField, StrictSerializer, TextField
from inference.batch.selectors import progress_of
from inference.models import BatchJob
from inference.models.batch import JobState, OutputFormat, Priority

INPUT_FORMATS = ("images", "zip", "tar", "csv", "jsonl", "parquet")
PRIORITIES = {choice.name.lower(): choice.value for choice in Priority}
COLUMNS_MAX = 10_000
ROWS_MAX = 10_000_000
BATCH_MAX = 8192
# ASCII, also as some codecs take it for something else.
PLAIN = bytes(set(range(128)) - set(b"\\")) + rb"\n\u0041.xn--mnchen-3ya"
OPTIONS = (
    *("top", "columns", "key", "delimiter", "encoding", "header", "fail_over"),
    *("batch_size", "chunk_rows", "notify"),
)


class ColumnsField(ObjectField):
    """Columns by input of the model: the name of one, or the names of several side by side."""

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        for columns in value.values():
            names = columns if isinstance(columns, list) else [columns]
            if not names or not all(isinstance(name, str) for name in names):
                raise serializers.ValidationError(_("A column, or a list of columns, by input."))
            if len(names) > COLUMNS_MAX:
                raise serializers.ValidationError(_("Too many columns."))
        return value


def _is_known(encoding: str) -> bool:
    """Whether tables are read in it: ASCII, which separates cells and lines, is itself in it, or
    it is one of whole units of 16 or 32 bits."""
    try:
        if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
            return True
        return PLAIN.decode(encoding) == PLAIN.decode("ascii")
    except (LookupError, ValueError):
        return False


class StoredInput(StrictSerializer):
    """A completed upload of the caller's, or the objects under a prefix of the bucket."""

    upload = serializers.UUIDField(required=False)
    prefix = TextField(required=False, max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError(_("Give either “upload” or “prefix”."))
        return attrs


class BatchJobFields(StrictSerializer):
    """What is said of a job, whatever way its input comes."""

    model = TextField(max_length=100)
    version = TextField(required=False, max_length=80, help_text="A version, or a range.")
    alias = TextField(required=False, max_length=64)
    team = TextField(required=False, max_length=64, help_text="For whom it runs.")
    priority = serializers.ChoiceField(tuple(PRIORITIES), required=False)
    input_format = serializers.ChoiceField(INPUT_FORMATS, required=False)
    output_format = serializers.ChoiceField(OutputFormat.choices, required=False)
    top = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    columns = ColumnsField(required=False)
    key = TextField(required=False, max_length=200, help_text="The column of the rows' keys.")
    delimiter = serializers.ChoiceField((",", ";", "\t", "|"), required=False)
    encoding = TextField(required=False, max_length=40)
    header = FlagField(required=False)
    fail_over = serializers.FloatField(
        required=False,
        min_value=0.0,
        max_value=1.0,
        help_text="The share of failed rows above which the job stops and fails; by default none.",
    )
    batch_size = serializers.IntegerField(required=False, min_value=1, max_value=BATCH_MAX)
    chunk_rows = serializers.IntegerField(required=False, min_value=1, max_value=ROWS_MAX)
    notify = FlagField(required=False, help_text="Whether who made it is told of its end by mail.")

    def validate_encoding(self, encoding: str) -> str:
        if not _is_known(encoding):
            raise serializers.ValidationError(_("There is no such encoding."))
        return encoding

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "version" in attrs and "alias" in attrs:
            raise serializers.ValidationError({"alias": _("Name a version or an alias, not both.")})
        options = {name: attrs.pop(name) for name in OPTIONS if name in attrs}
        if "input_format" in attrs:
            options["form"] = attrs.pop("input_format")
        priority = PRIORITIES[attrs.pop("priority", "normal")]
        return {**attrs, "options": options, "priority": priority}


class BatchJobInput(BatchJobFields):
    """A job over what is in the store already."""

    input = StoredInput()


class BatchJobForm(BatchJobFields):
    """A job over a file that comes with the form."""

    input = serializers.FileField()
    header = FormFlagField(required=False)  # type: ignore[assignment]
    notify = FormFlagField(required=False)  # type: ignore[assignment]


class BatchInputOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    size = serializers.IntegerField(allow_null=True, help_text="Bytes; of an upload.")
    upload = serializers.UUIDField(allow_null=True)
    prefix = serializers.CharField(allow_null=True)
    format = serializers.CharField(allow_null=True, help_text="As found.")


class BatchOutputOutput(serializers.Serializer[Any]):
    """The output, once it is there; `path` is where its bytes are fetched."""

    path = serializers.CharField()
    format = serializers.CharField()
    rows = serializers.IntegerField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    md5 = serializers.CharField()


class BatchJobSummary(serializers.ModelSerializer[BatchJob]):
    """A job in a list. `done` rows went well, `failed` rows have an error instead."""

    model = serializers.CharField(source="model_name")
    version = serializers.CharField(source="version_name")
    alias = serializers.SerializerMethodField()
    team = serializers.CharField(source="team.name")
    state = serializers.ChoiceField(JobState.choices)
    stalled = serializers.SerializerMethodField(
        help_text="Why nothing happens, in the caller's language; null where something does."
    )
    reason = serializers.CharField(help_text="Why it failed; empty where it did not.")
    priority = serializers.SerializerMethodField()
    input = serializers.SerializerMethodField()
    output = serializers.SerializerMethodField()
    total = serializers.IntegerField(allow_null=True, help_text="Null until all was read.")
    rate = serializers.SerializerMethodField(help_text="Rows a second.")
    eta_seconds = serializers.SerializerMethodField()
    cloned_from = serializers.IntegerField(source="cloned_from_id", allow_null=True)
    schedule = serializers.IntegerField(
        source="schedule_id", allow_null=True, help_text="The schedule that made it."
    )

    class Meta:
        model = BatchJob
        fields: tuple[str, ...] = (
            *("id", "state", "stalled", "reason", "model", "version", "alias", "team", "priority"),
            *("input", "output_format", "output", "total", "done", "failed", "rate", "eta_seconds"),
            *("chunks", "chunks_done", "created_by", "cloned_from", "schedule"),
            *("created_at", "started_at", "finished_at", "expires_at"),
        )

    @extend_schema_field({"type": "string", "nullable": True})
    def get_alias(self, job: BatchJob) -> str | None:
        alias: str | None = job.options.get("asked", {}).get("alias")
        return alias

    @extend_schema_field({"type": "string", "nullable": True})
    def get_stalled(self, job: BatchJob) -> str | None:
        told: str | None = self.context["stalled"](job)
        return told

    @extend_schema_field({"type": "string", "enum": list(PRIORITIES)})
    def get_priority(self, job: BatchJob) -> str:
        return Priority(job.priority).name.lower()

    @extend_schema_field(BatchInputOutput)
    def get_input(self, job: BatchJob) -> dict[str, Any]:
        return {
            "name": job.input_name,
            "size": job.input_size,
            "upload": job.upload_id and str(job.upload_id),
            "prefix": job.prefix or None,
            "format": job.input_form or None,
        }

    @extend_schema_field(BatchOutputOutput(allow_null=True))
    def get_output(self, job: BatchJob) -> dict[str, Any] | None:
        if not job.output or job.state != JobState.SUCCEEDED:
            return None
        return {**job.output, "path": f"/api/v1/batch-jobs/{job.pk}/output/"}

    @extend_schema_field({"type": "number", "nullable": True})
    def get_rate(self, job: BatchJob) -> float | None:
        return progress_of(job).rate

    @extend_schema_field({"type": "number", "nullable": True})
    def get_eta_seconds(self, job: BatchJob) -> float | None:
        return progress_of(job).eta_seconds


class RowErrorOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    error = serializers.CharField()


class ReportErrorOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()


class ReportColumnOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()


class BatchReportOutput(serializers.Serializer[Any]):
    """What trying the first rows showed."""

    form = serializers.CharField(help_text="As found.")
    delimiter = serializers.CharField(allow_blank=True)
    columns = ReportColumnOutput(many=True, help_text="Of a table.")
    inputs = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="The columns that each of the model's inputs is taken from.",
    )
    key = serializers.CharField(allow_blank=True, help_text="The column of the rows' keys.")
    rows = serializers.IntegerField()
    failed = serializers.IntegerField()
    errors = ReportErrorOutput(many=True)  # type: ignore[assignment]


class BatchJobOutput(BatchJobSummary):
    """A job, whole: with what a sample of its input showed, and the first rows that failed."""

    options = serializers.SerializerMethodField()
    report = serializers.SerializerMethodField()
    errors = serializers.SerializerMethodField()  # type: ignore[assignment]

    class Meta(BatchJobSummary.Meta):
        fields = (*BatchJobSummary.Meta.fields, "options", "report", "errors")

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_options(self, job: BatchJob) -> dict[str, Any]:
        own = {name: value for name, value in job.options.items() if name in OPTIONS}
        fixed = {name: job.plan[name] for name in ("batch", "chunk_rows") if name in job.plan}
        return {**own, **fixed}

    @extend_schema_field(BatchReportOutput(allow_null=True))
    def get_report(self, job: BatchJob) -> dict[str, Any] | None:
        if not job.report:
            return None
        return {**job.report, "errors": [_told(error) for error in job.report["errors"]]}

    @extend_schema_field(RowErrorOutput(many=True))
    def get_errors(self, job: BatchJob) -> list[dict[str, Any]]:
        return [{"key": str(key), "error": error} for key, error in job.errors]


def _told(error: dict[str, Any]) -> dict[str, Any]:
    """A fault in the reader's language."""
    message = gettext(error["message"])
    text = message % error["values"] if error["values"] else message
    return {"key": error["key"], "line": error["line"], "error": text}
