"""Loading a version: its spec, its files, and the runtime of its format.

The worker's `load` step and the pool go through `model_load` alike.
"""

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections

from inference.cores import threads
from inference.pool import Loaded
from inference.runtimes import runtime_for
from inference.runtimes.base import LoadedModel, Runtime
from inference.spec import ModelSpec
from inference.specs import spec_load
from registry.storage import BlobRef, local_blob


def runtime_of(spec: ModelSpec) -> Runtime:
    """The runtime of a version's format, with the operator's architectures."""
    return runtime_for(spec.format, settings.ENV.AIHUB_ARCHITECTURES)


def model_load(spec: ModelSpec, files: Mapping[str, Path]) -> LoadedModel:
    """Load local files (by path in the version); Refused where they misfit. Blocks."""
    return runtime_of(spec).load(spec, files, threads(settings.ENV.AIHUB_THREADS))


def version_load(version_id: int) -> Loaded:
    """Load a ready version from storage; the pool's loader. Blocks.

    Raises Refused where it cannot be served here, Problem where something does not answer.
    """
    close_old_connections()  # no request's end tidies up on the pool's threads
    try:
        spec = spec_load(version_id)
    finally:
        close_old_connections()
    files = {f.path: local_blob(BlobRef(f.sha256, f.md5, f.size)) for f in spec.files}
    return Loaded(spec, model_load(spec, files))
