"""Loading a version: its spec, its files, and the runtime of its format or of a variant.

The worker's steps, the optimiser and the pool go through here alike.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections

from inference import texts
from inference.cores import threads
from inference.engine.loads import Plan, Source
from inference.runtimes import reference_runtime, runtime_named
from inference.runtimes.base import Form, LoadedModel, Runtime
from inference.spec import FileRef, ModelSpec, VariantSpec
from inference.specs import spec_load
from registry.file_cache import kept
from registry.services.integrity import blob_local
from registry.storage import BlobRef


def runtime_of(spec: ModelSpec) -> Runtime:
    """The runtime of a version's format, with the operator's architectures."""
    return runtime_named(reference_runtime(spec.format), settings.ENV.AIHUB_ARCHITECTURES)


def form_of(variant: VariantSpec | None = None, of_threads: int = 0) -> Form:
    """How to load on this machine, by default with all the threads that the operator allows;
    without a variant, the reference form."""
    env = settings.ENV
    form = Form(of_threads or threads(env.AIHUB_THREADS), device=env.AIHUB_DEVICE)
    if variant is None:
        return form
    return Form(form.threads, variant.precision, form.device, variant.options)


def model_load(spec: ModelSpec, files: Mapping[str, Path]) -> LoadedModel:
    """Load the reference form from local files (by path in the version). Blocks.

    Raises Refused where they misfit.
    """
    return runtime_of(spec).load(spec, files, form_of())


def version_prepare(
    version_id: int, variant: VariantSpec | None = None, of_threads: int = 0
) -> Plan:
    """What it takes to load a ready version, in a variant's form or its reference's. Blocks.

    Brings the files here. Raises Problem where something does not answer; loading by the plan
    raises Refused where the version cannot be served here.
    """
    close_old_connections()  # no request's end tidies up on the pool's threads
    try:
        spec = spec_load(version_id)
    finally:
        close_old_connections()
    form = spec.in_form(variant) if variant else spec
    texts_files = texts.tokenizer_files(spec)
    local_files((*form.files, *texts_files))

    runtime = _runtime(form, variant)  # its library is imported here, and no model's to answer for

    def load() -> Source:
        with kept():  # the copies stay until they are read
            model = runtime.load(form, local_files(form.files), form_of(variant, of_threads))
            return Source(spec, model, texts.tokenizer_of(spec, local_files(texts_files)))

    size = sum(file.size for file in form.files)
    return Plan(spec, size, variant.memory if variant else 0, load)


def _runtime(form: ModelSpec, variant: VariantSpec | None) -> Runtime:
    if variant is None:
        return runtime_of(form)
    return runtime_named(variant.runtime, settings.ENV.AIHUB_ARCHITECTURES)


def local_files(files: Sequence[FileRef]) -> dict[str, Path]:
    """Local, verified files by their paths."""
    return {f.path: blob_local(BlobRef(f.sha256, f.md5, f.size)) for f in files}
