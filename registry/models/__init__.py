"""The registry's tables."""

from registry.models.aliases import Alias, AliasMove, Approval
from registry.models.blobs import Blob, Upload
from registry.models.jobs import Job, Leased, WorkerHeartbeat
from registry.models.registered import ModelTag, RegisteredModel
from registry.models.revision import Revision
from registry.models.teams import Membership, Team
from registry.models.variants import Sample, Variant
from registry.models.versions import (
    ConvertedFile,
    Label,
    LabelSet,
    ModelVersion,
    VersionFile,
    VersionMetric,
    VersionText,
)

__all__ = [
    "Alias",
    "AliasMove",
    "Approval",
    "Blob",
    "ConvertedFile",
    "Job",
    "Label",
    "LabelSet",
    "Leased",
    "Membership",
    "ModelTag",
    "ModelVersion",
    "RegisteredModel",
    "Revision",
    "Sample",
    "Team",
    "Upload",
    "Variant",
    "VersionFile",
    "VersionMetric",
    "VersionText",
    "WorkerHeartbeat",
]
