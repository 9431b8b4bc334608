"""Uploads in parts: begun, asked after, gone on with, completed, broken off."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from aihub.access import ALLOWED, Action, Principal
from aihub.env import MIB
from aihub.metrics import Limited
from aihub.problems import N_, Problem
from registry import selectors
from registry.models import Blob, Upload, VersionFile
from registry.parts import Part, PartsLost, part_store
from registry.parts_folder import FolderParts, Overtaken, WrongLength
from registry.services.owning import is_owned
from registry.services.uploads import clean_filename, upload_discard
from registry.storage import StorageUnavailable, blob_storage

PARTS_MAX = 10_000  # of one upload, as S3 has it
OPEN_MAX = 100  # uploads that one caller may have open at once
SHOWN = 20  # parts named in one answer
_UPLOADING = frozenset({Action.PUBLISH, Action.PREDICT})  # versions, and batch jobs' inputs


def part_size_of(size: int) -> int:
    """Bytes of a part of a file of `size` bytes: whole MiB where the usual size gives too many."""
    usual: int = settings.ENV.AIHUB_PART_SIZE
    least = -(-size // PARTS_MAX)
    return usual if usual >= least else -(-least // MIB) * MIB


def upload_create(*, principal: Principal, filename: str, size: int, sha256: str = "") -> Upload:
    """Begin to take a file; complete at once where the caller may read that content already."""
    require_uploader(principal)
    if size > settings.ENV.AIHUB_UPLOAD_MAX:
        raise Limited(
            "body",
            413,
            N_("The file is too large: it has %(size)s bytes, at most %(limit)s are taken."),
            size=size,
            limit=settings.ENV.AIHUB_UPLOAD_MAX,
        )
    upload = Upload(
        filename=clean_filename(filename),
        size=size,
        sha256=sha256,
        owner=principal.id,
        created_by=principal.name,
        expires_at=timezone.now() + timedelta(hours=settings.ENV.AIHUB_UPLOAD_HOURS),
        part_size=part_size_of(size),
        state=Upload.States.OPEN,
    )
    if sha256 and _point_at_known(upload, principal):
        return upload
    _require_few(principal)
    return _begun(upload)


def require_uploader(principal: Principal) -> None:
    """`Problem` 403 for who may neither publish a version nor call a model with an input."""
    scoped = principal.scope is None or not _UPLOADING.isdisjoint(principal.scope.actions)
    if not scoped or not (principal.is_admin or _uses_models(principal)):
        raise Problem(403, N_("You may neither publish nor call a model, so you may not upload."))


def _uses_models(principal: Principal) -> bool:
    """Whether anything is open to a caller: in a team, or by a model that is shared."""
    roles = principal.roles.values()
    in_team = any(not _UPLOADING.isdisjoint(ALLOWED[role]) for role in roles)
    return in_team or selectors.models_visible(principal).exists()


def upload_urls(
    upload: Upload, numbers: Sequence[int], absolute: Callable[[str], str]
) -> list[dict[str, object]]:
    """Where each of these parts is PUT; `absolute` makes a whole address of the hub's own."""
    _require_open(upload)
    _require_in_range(upload, numbers)
    store = part_store()

    def url(number: int) -> str:
        return store.url(upload.staged_key, upload.multipart_id, number, upload.size_of(number))

    return [{"number": number, "url": absolute(url(number)), "headers": {}} for number in numbers]


def upload_parts(upload: Upload) -> list[Part]:
    """The parts that arrived, as the store knows them; none once the upload is complete."""
    if upload.state != Upload.States.OPEN:
        return []
    try:
        arrived = part_store().arrived(upload.staged_key, upload.multipart_id)
    except PartsLost:
        return []
    return list({part.number: part for part in arrived}.values())


def upload_complete(upload: Upload, tags: Mapping[int, str]) -> Upload:
    """Make a whole file of all its parts (number: tag); again, it changes nothing."""
    if upload.state == Upload.States.COMPLETE:
        return upload
    storage = blob_storage()
    try:
        _join(upload, tags)
    except Problem:
        if not storage.has(upload.staged_key, upload.size):  # a call beside may have joined them
            raise
    if not storage.has(upload.staged_key, upload.size):
        raise Problem(409, _LOST)
    found = Upload.objects.filter(pk=upload.pk)
    found.filter(state=Upload.States.OPEN).update(state=Upload.States.COMPLETE, multipart_id="")
    again = found.first()
    if again is None:
        raise Problem(404, N_("The upload was broken off meanwhile."))
    return again


def _join(upload: Upload, tags: Mapping[int, str]) -> None:
    store = part_store()
    try:
        named = _named(store.arrived(upload.staged_key, upload.multipart_id), tags)
        _require_all(upload, tags, named)
        parts = [named[number] for number in sorted(tags)]
        store.join(upload.staged_key, upload.multipart_id, parts)
    except PartsLost:
        raise Problem(409, _LOST) from None


def upload_abort(upload: Upload) -> None:
    """Break an upload off and remove what came; `Problem` 409 where a version owns it."""
    with transaction.atomic():
        Upload.objects.select_for_update().filter(pk=upload.pk).first()
        if is_owned(upload):
            raise Problem(409, N_("A version or a batch job owns this upload."))
        Upload.objects.filter(pk=upload.pk).update(expires_at=timezone.now())
    upload_discard(upload)


def part_write(upload: Upload, number: int, size: int, chunks: Iterable[bytes]) -> str:
    """Take a part that is sent to the hub itself; its tag."""
    store = part_store()
    _require_open(upload)
    _require_in_range(upload, [number])
    expected = upload.size_of(number)
    if size != expected:
        raise _wrong_length(number, expected, size)
    if not isinstance(store, FolderParts):
        raise Problem(404, N_("Parts are sent to the store itself."))
    offset = (number - 1) * upload.part_size
    try:
        return store.write(upload.staged_key, number, offset, expected, chunks)
    except WrongLength as wrong:
        raise _wrong_length(number, expected, wrong.size) from None
    except Overtaken:
        raise Problem(409, N_("Another call sends the same part.")) from None
    except PartsLost:
        raise Problem(409, N_("The upload was completed or broken off meanwhile.")) from None


_LOST = N_("The store does not have these parts any more; ask which arrived, and send the others.")


def _point_at_known(upload: Upload, principal: Principal) -> bool:
    """Complete it with content that is there and that the caller may read, if there is any."""
    readable = selectors.versions_visible(principal).order_by().values("pk")
    with transaction.atomic():
        rows = Blob.objects.select_for_update().filter(sha256=upload.sha256, size=upload.size)
        blob = rows.filter(damaged_at=None).first()
        if not blob or not VersionFile.objects.filter(blob=blob, version__in=readable).exists():
            return False
        upload.blob, upload.location, upload.md5 = blob, blob.ref.key, blob.md5
        upload.state, upload.part_size = Upload.States.COMPLETE, 0
        upload.save(force_insert=True)
    if _is_there(blob):
        return True
    upload.delete()
    upload.blob, upload.location, upload.md5 = None, "", ""
    upload.state, upload.part_size = Upload.States.OPEN, part_size_of(upload.size)
    upload.pk = Upload._meta.pk.get_default()
    return False


def _is_there(blob: Blob) -> bool:
    try:
        return blob_storage().has(blob.ref.key, blob.size)
    except StorageUnavailable:
        return False


def _require_few(principal: Principal) -> None:
    mine = Upload.objects.filter(owner=principal.id, state=Upload.States.OPEN)
    if mine.filter(expires_at__gt=timezone.now()).count() >= OPEN_MAX:
        raise Limited(
            "uploads",
            429,
            N_("You have %(count)s uploads open; complete or delete some before you begin more."),
            count=OPEN_MAX,
            headers={"Retry-After": "60"},
        )


def _begun(upload: Upload) -> Upload:
    """The row comes first: parts without one are found by nobody."""
    upload.save(force_insert=True)
    try:
        upload.multipart_id = part_store().begin(upload.staged_key)
    except StorageUnavailable:
        upload.delete()
        raise
    upload.save(update_fields=["multipart_id"])
    return upload


def _require_open(upload: Upload) -> None:
    if upload.state != Upload.States.OPEN:
        raise Problem(409, N_("The upload is complete; it takes no more parts."))


def _require_in_range(upload: Upload, numbers: Sequence[int]) -> None:
    wrong = [number for number in numbers if not 1 <= number <= upload.part_count]
    if wrong:
        raise Problem(
            400,
            N_("There is no part %(part)s; this upload has the parts 1 to %(count)s."),
            part=wrong[0],
            count=upload.part_count,
        )


def _named(arrived: Sequence[Part], tags: Mapping[int, str]) -> dict[int, Part]:
    """The parts by number; of one that was sent again, and listed twice, the one told of."""
    named: dict[int, Part] = {}
    for part in arrived:
        if part.number not in named or part.etag == tags.get(part.number):
            named[part.number] = part
    return named


def _require_all(upload: Upload, tags: Mapping[int, str], arrived: Mapping[int, Part]) -> None:
    """`Problem` that names each part which was not told of, lacks, or is another than was told."""
    _require_in_range(upload, list(tags))
    numbers = range(1, upload.part_count + 1)
    lacking = [n for n in numbers if n not in arrived or n not in tags]
    if lacking:
        raise Problem(
            409,
            N_("%(count)s of %(all)s parts are missing: they did not arrive, or were not named."),
            count=len(lacking),
            all=upload.part_count,
            errors=[_lack(n, n in arrived) for n in lacking[:SHOWN]],
        )
    wrong = [error for n in numbers for error in _differences(upload, tags[n], arrived[n])]
    if wrong:
        raise Problem(422, N_("Parts differ from what was expected."), errors=wrong[:SHOWN])


def _lack(number: int, arrived: bool) -> dict[str, object]:
    detail = gettext("It arrived, but was not named.") if arrived else gettext("It did not arrive.")
    return {"field": f"parts.{number}", "detail": detail}


def _differences(upload: Upload, tag: str, part: Part) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    field = f"parts.{part.number}"
    if tag != part.etag:
        found.append({"field": field, "detail": _expected(tag, part.etag)})
    size = upload.size_of(part.number)
    if size != part.size:
        found.append({"field": field, "detail": _expected(size, part.size)})
    return found


def _expected(what: object, came: object) -> str:
    return gettext("Expected was %(expected)s, %(came)s came.") % {"expected": what, "came": came}


def _wrong_length(number: int, expected: int, size: int) -> Problem:
    return Problem(
        400,
        N_("Part %(part)s has %(expected)s bytes; %(size)s were sent."),
        part=number,
        expected=expected,
        size=size,
    )
