"""Model versions and their files."""

from django.db import models
from django.utils.translation import gettext, gettext_lazy as _

from registry.models.blobs import Blob, Upload
from registry.models.registered import RegisteredModel
from registry.models.trash import Trashable


class State(models.TextChoices):
    UPLOADING = "uploading", _("uploading")
    PROCESSING = "processing", _("processing")
    READY = "ready", _("ready")
    REJECTED = "rejected", _("rejected")


class Format(models.TextChoices):
    STATE_DICT = "state_dict", _("PyTorch state_dict")
    SAFETENSORS = "safetensors", "safetensors"
    ONNX = "onnx", "ONNX"
    OPENVINO = "openvino", "OpenVINO"
    TFLITE = "tflite", "TensorFlow Lite"
    SAVED_MODEL = "saved_model", "TensorFlow SavedModel"
    PADDLE = "paddle", "PaddlePaddle"
    TORCHSCRIPT = "torchscript", "TorchScript"
    TORCH_EXPORT = "torch_export", "torch.export"


class Optimisation(models.TextChoices):
    """How far compiling a version's variants is."""

    PENDING = "pending", _("pending")
    RUNNING = "running", _("running")
    DONE = "done", _("done")


class Forced(models.TextChoices):
    """What an operator holds a version's breaker at."""

    NO = "", _("not forced")
    OPEN = "open", _("open")
    CLOSED = "closed", _("closed")


class LabelSet(models.Model):
    """A list of labels, kept once however many versions have it, so that each can be found.

    `digest` is the SHA-256 of the list as JSON.
    """

    digest = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.digest


class Label(models.Model):
    """A label of a set, in lower case."""

    label_set = models.ForeignKey(LabelSet, on_delete=models.CASCADE, related_name="rows")
    text = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=("text", "label_set"), name="label_text")]

    def __str__(self) -> str:
        return self.text


class ModelVersion(Trashable):
    """One published version; once `ready`, its files never change.

    `version_key` is the normalised version, unique in its model; `sort_key` orders versions
    semantically as plain text (see `registry.semver`). `reason` is kept as a message and its
    values, so that everyone reads it in their own language. `manifest` is what was true of a
    version when it became ready, `manifest_signature` the hub's seal on it. `served_format` is
    that of its converted files, where it is served in another form than it was published in.
    """

    model = models.ForeignKey(
        RegisteredModel, on_delete=models.CASCADE, related_name="versions", verbose_name=_("model")
    )
    version = models.CharField(_("version"), max_length=64)
    version_key = models.CharField(max_length=64, editable=False)
    sort_key = models.CharField(max_length=255, editable=False)
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.UPLOADING, db_index=True
    )
    reason_message = models.TextField(blank=True, editable=False)
    reason_values = models.JSONField(default=dict, blank=True, editable=False)

    format = models.CharField(_("format"), max_length=32, choices=Format.choices, blank=True)
    architecture = models.CharField(_("architecture"), max_length=100, blank=True)
    architecture_options = models.JSONField(_("options"), default=dict, blank=True)
    num_classes = models.PositiveIntegerField(_("classes"), null=True, blank=True)
    labels = models.JSONField(_("labels"), default=list, blank=True)
    preprocessing = models.JSONField(_("preprocessing"), default=dict, blank=True)

    description = models.TextField(_("description"), blank=True)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    source = models.JSONField(_("source"), default=dict, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    card = models.TextField(_("card"), blank=True)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="children",
        verbose_name=_("parent version"),
    )
    label_set = models.ForeignKey(
        LabelSet,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="versions",
    )

    signature = models.JSONField(_("signature"), default=dict, blank=True, editable=False)
    parameter_count = models.BigIntegerField(_("parameters"), null=True, editable=False)
    size = models.BigIntegerField(_("size"), default=0, editable=False)
    steps = models.JSONField(_("steps"), default=list, blank=True, editable=False)
    report = models.JSONField(_("report"), default=list, blank=True, editable=False)
    served_format = models.CharField(
        max_length=32, choices=Format.choices, blank=True, editable=False
    )
    manifest = models.JSONField(default=dict, blank=True, editable=False)
    manifest_signature = models.CharField(max_length=64, blank=True, editable=False)
    # The MD5 of its directory as DVC writes it, where it has more than one file.
    directory_md5 = models.CharField(max_length=32, blank=True, editable=False, db_index=True)

    optimisation = models.CharField(
        _("optimisation"),
        max_length=8,
        choices=Optimisation.choices,
        default=Optimisation.PENDING,
        editable=False,
    )
    pinned_variant = models.CharField(_("pinned variant"), max_length=40, blank=True)
    sparsity = models.FloatField(_("sparsity"), null=True, blank=True)
    breaker_forced = models.CharField(
        _("breaker"), max_length=8, choices=Forced.choices, blank=True, editable=False
    )

    alias_when_ready = models.CharField(max_length=64, blank=True, editable=False)
    created_by = models.CharField(_("created by"), max_length=150, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    ready_at = models.DateTimeField(_("ready at"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ("model", "-sort_key")
        constraints = [
            models.UniqueConstraint(fields=("model", "version_key"), name="version_unique"),
        ]
        indexes = [
            models.Index(fields=("model", "sort_key"), name="version_order"),
            # What a list over all models goes through, so that it reads no row that it skips. The
            # first is the narrowest, and by that the one that MariaDB counts and skips along.
            models.Index(fields=("deleted_at", "id", "model"), name="version_listed"),
            models.Index(
                fields=(
                    *("deleted_at", "id", "model", "state", "format", "size"),
                    *("created_by", "label_set"),
                ),
                name="version_newest",
            ),
            models.Index(
                fields=("deleted_at", "created_at", "id", "model", "state"), name="version_created"
            ),
            models.Index(
                fields=("deleted_at", "size", "id", "model", "state"), name="version_size"
            ),
            models.Index(fields=("breaker_forced",), name="version_forced"),
        ]
        verbose_name = _("version")
        verbose_name_plural = _("versions")

    def __str__(self) -> str:
        return f"{self.model.name}/{self.version}"

    @property
    def reason(self) -> str:
        """Why the version is rejected, in the reader's language; empty when it is not."""
        if not self.reason_message:
            return ""
        message = gettext(self.reason_message)
        return message % self.reason_values if self.reason_values else message


class VersionFile(models.Model):
    """A file of a version under its own path: an upload until it is hashed, then a blob."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=255)
    size = models.BigIntegerField()
    upload = models.ForeignKey(
        Upload, null=True, blank=True, on_delete=models.PROTECT, related_name="version_files"
    )
    blob = models.ForeignKey(
        Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="version_files"
    )

    class Meta:
        ordering = ("path",)
        constraints = [
            models.UniqueConstraint(fields=("version", "path"), name="version_file_unique"),
        ]

    def __str__(self) -> str:
        return self.path


class ConvertedFile(models.Model):
    """A file that a version's program was converted into; these alone are served."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="converted")
    path = models.CharField(max_length=255)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="converted_files")

    class Meta:
        ordering = ("path",)
        constraints = [
            models.UniqueConstraint(fields=("version", "path"), name="converted_file_unique"),
        ]

    def __str__(self) -> str:
        return self.path


class VersionText(models.Model):
    """What words are looked for in: the model's name, the version, its architecture and its
    description, in lower case, as UTF-8, apart from the large rows of versions.
    """

    version = models.OneToOneField(
        ModelVersion, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    text = models.BinaryField()

    def __str__(self) -> str:
        return str(self.version)


class VersionMetric(models.Model):
    """A number among a version's metrics, as a row that can be searched."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="metric_rows")
    name = models.CharField(max_length=100)
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("version", "name"), name="metric_unique")]
        indexes = [models.Index(fields=("name", "value"), name="metric_value")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"
