"""Loading a version: its spec, its files, and the runtime of its format or of a variant.

The worker's steps, the optimiser and the pool go through here alike.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections

from inference.cores import threads
from inference.engine.pool import Loaded
from inference.runtimes import reference_runtime, runtime_named
from inference.runtimes.base import Form, LoadedModel, Runtime
from inference.spec import FileRef, ModelSpec, VariantSpec
from inference.specs import spec_load
from registry.storage import BlobRef, local_blob


def runtime_of(spec: ModelSpec) -> Runtime:
    """The runtime of a version's format, with the operator's architectures."""
    return runtime_named(reference_runtime(spec.format), settings.ENV.AIHUB_ARCHITECTURES)


def form_of(variant: VariantSpec | None = None) -> Form:
    """How to load on this machine; without a variant, the reference form."""
    env = settings.ENV
    form = Form(threads(env.AIHUB_THREADS), device=env.AIHUB_DEVICE)
    if variant is None:
        return form
    return Form(form.threads, variant.precision, form.device, variant.options)


def model_load(spec: ModelSpec, files: Mapping[str, Path]) -> LoadedModel:
    """Load the reference form from local files (by path in the version). Blocks.

    Raises Refused where they misfit.
    """
    return runtime_of(spec).load(spec, files, form_of())


def version_load(version_id: int, variant: VariantSpec | None = None) -> Loaded:
    """Load a ready version, in a variant's form or its reference's; the pool's loader. Blocks.

    Raises Refused where it cannot be served here, Problem where something does not answer.
    """
    close_old_connections()  # no request's end tidies up on the pool's threads
    try:
        spec = spec_load(version_id)
    finally:
        close_old_connections()
    if variant is None:
        return Loaded(spec, model_load(spec, local_files(spec.files)))
    runtime = runtime_named(variant.runtime, settings.ENV.AIHUB_ARCHITECTURES)
    form = spec.in_form(variant)
    return Loaded(spec, runtime.load(form, local_files(form.files), form_of(variant)))


def local_files(files: Sequence[FileRef]) -> dict[str, Path]:
    """Local, verified files by their paths."""
    return {f.path: local_blob(BlobRef(f.sha256, f.md5, f.size)) for f in files}
