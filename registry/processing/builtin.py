"""The registry's own steps: sums, format, safety."""

from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from registry import scanning
from registry.files import main_of
from registry.models import Upload, VersionFile
from registry.processing.steps import Context
from registry.refusals import N_, Refused
from registry.services.blobs import blob_of_upload
from registry.services.uploads import upload_discard

FORMAT = "format"
KNOWN = N_("The content is that of the format %(format)s.")


def checksum(context: Context) -> None:
    """Hash every upload and make it a blob; the same content is kept once."""
    files = list(context.version.files.select_related("upload__blob", "blob"))
    total = sum(file.size for file in files) or 1
    before = 0

    def progress(size: int) -> None:
        context.progress((before + size) / total)

    for file in files:
        if file.blob is None:
            _become_blob(file, progress)
        before += file.size
    context.version.size = sum(file.size for file in files)


def identify(context: Context) -> None:
    """Find the format by content; a format that the owner declared must be the real one."""
    found = scanning.identify(context.paths[main_file(context)])
    declared = context.version.format
    if declared and declared != found:
        raise Refused(
            N_("The file was declared as %(declared)s, but it is %(found)s."),
            declared=declared,
            found=found,
        )
    context.version.format = found
    finding = scanning.Finding(FORMAT, "info", KNOWN, {"format": found})
    context.version.report = [{"file": main_file(context), **finding.as_dict()}]


def scan(context: Context) -> None:
    """Refuse what could run code or claims more than it holds; keep the findings."""
    main = main_file(context)
    siblings = {path: local for path, local in context.paths.items() if path != main}
    report = scanning.scan(context.paths[main], context.version.format, siblings=siblings)
    before = [finding for finding in context.version.report if finding["layer"] == FORMAT]
    context.version.report = [*before, *({"file": main, **f.as_dict()} for f in report.findings)]


def main_file(context: Context) -> str:
    """The path of the weights."""
    main = main_of({path: local.stat().st_size for path, local in context.paths.items()})
    if main is None:
        raise Refused(N_("There is no model file among the files of this version."))
    return main


def _become_blob(file: VersionFile, progress: Callable[[int], None]) -> None:
    upload = file.upload
    if upload is None:
        raise Refused(N_("The content of %(file)s was lost."), file=file.path)
    blob = blob_of_upload(upload, file.path, progress)
    file.blob, file.upload, file.size = blob, None, blob.size
    with transaction.atomic():
        file.save(update_fields=["blob", "upload", "size"])
        Upload.objects.filter(pk=upload.pk).update(expires_at=timezone.now())
    upload_discard(upload)
