"""The storage: an object is written, read, read in part, listed and removed; URLs work."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import httpx
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from django.conf import settings

from ops.doctor.findings import Finding, fail, ok, warn
from registry.parts_s3 import signer
from registry.storage import S3BlobStorage, StorageUnavailable, blob_storage

PROBE = "doctor/"
BODY = b"0123456789"
WAIT = 5.0  # seconds
KEYS = "Look at AIHUB_S3_ACCESS_KEY and AIHUB_S3_SECRET_KEY."
_DO = {
    "InvalidAccessKeyId": KEYS,
    "SignatureDoesNotMatch": KEYS,
    "AccessDenied": "Give the hub's user s3:GetObject, PutObject, DeleteObject and ListBucket.",
    "NoSuchBucket": "Make the bucket, or name the right one in AIHUB_S3_BUCKET.",
    "RequestTimeTooSkewed": "Synchronise the clocks of this host and the S3 server by NTP.",
}
_ELSE = "Look at the S3 server and at AIHUB_S3_ENDPOINT; what is loaded goes on being served."


def check() -> Iterator[Finding]:
    failed = _probed()
    if failed:
        yield failed
        return
    yield ok("an object can be written, read, listed and removed")
    if settings.ENV.AIHUB_S3_ENDPOINT:
        yield from _addresses()


def server_date() -> str:
    """What the S3 server's clock says (`Date`), whatever else it answers; empty where nothing."""
    try:
        answer = _look()
    except ClientError as error:
        answer = error.response
    except BotoCoreError:
        return ""
    headers: dict[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers.get("date", "")


def _probed() -> Finding | None:
    key = f"{PROBE}{uuid.uuid4().hex}"
    try:
        if settings.ENV.AIHUB_S3_ENDPOINT:
            _look()
        try:
            return _tried(key)
        finally:
            blob_storage().discard(key)
    except StorageUnavailable as error:
        return _failed(error.__cause__ or error)
    except (BotoCoreError, ClientError, OSError) as error:
        return _failed(error)


def _tried(key: str) -> Finding | None:
    storage = blob_storage()
    with closing(storage.writer(key)) as writer:
        writer.write(BODY)
    whole, part = (b"".join(reading) for reading in (storage.reader(key), storage.range(key, 2, 3)))
    listed = [stored.key for stored in storage.listing(key)]
    if (whole, part, listed) == (BODY, BODY[2:5], [key]):
        return None
    return fail(
        "the storage gives back something else than was written",
        "Look at what stands between the hub and the S3 server: a proxy must pass on the path, "
        "the query, and the header Range as they are.",
    )


def _failed(error: BaseException) -> Finding:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    said = "nothing answers there" if isinstance(error, EndpointConnectionError) else str(error)
    where = settings.ENV.AIHUB_S3_ENDPOINT or settings.HOME / "blobs"
    return fail(f"the storage at {where} does not work: {said}", _DO.get(code, _ELSE))


def _addresses() -> Iterator[Finding]:
    """Whether clients can fetch from, and pages send to, where signed URLs lead."""
    storage, key = blob_storage(), f"{PROBE}{uuid.uuid4().hex}"
    with closing(storage.writer(key)) as writer:
        writer.write(BODY)
    at = {"Bucket": settings.ENV.AIHUB_S3_BUCKET, "Key": key}
    try:
        url = signer().generate_presigned_url("get_object", at, ExpiresIn=60)
        yield _fetched(url)
        if settings.ENV.AIHUB_S3_PUBLIC_ENDPOINT:
            url = signer().generate_presigned_url("put_object", at, ExpiresIn=60)
            for origin in settings.ENV.AIHUB_TRUSTED_ORIGINS:
                yield _cors(url, origin)
    finally:
        storage.discard(key)


def _fetched(url: str) -> Finding:
    where = settings.ENV.AIHUB_S3_PUBLIC_ENDPOINT or settings.ENV.AIHUB_S3_ENDPOINT
    do = (
        "Look at AIHUB_S3_PUBLIC_ENDPOINT: it must lead to the S3 server from here and from "
        "clients, and whatever is in front must keep the header Host, the path and the query."
    )
    try:
        answer = httpx.get(url, timeout=WAIT, trust_env=False)
    except httpx.ConnectError as error:
        return warn(
            f"{where} cannot be reached from here: {error}",
            "All is well if clients reach it, as they do their own localhost; else: " + do,
        )
    except httpx.HTTPError as error:
        return fail(f"a signed URL at {where} cannot be fetched: {error}", do)
    if answer.content == BODY:
        return ok(f"signed URLs at {where} work")
    return fail(f"a signed URL at {where} answers {answer.status_code}", do)


def _cors(url: str, origin: str) -> Finding:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    try:
        answer = httpx.options(url, headers=asked, timeout=WAIT, trust_env=False)
    except httpx.HTTPError as error:
        return warn(f"the S3 server does not answer a page of {origin}: {error}", _ELSE)
    if answer.headers.get("Access-Control-Allow-Origin") in ("*", origin):
        return ok(f"pages of {origin} may send files to the S3 server")
    return warn(
        f"pages of {origin} may not send files to the S3 server: the console cannot upload there",
        "Run “manage.py storage_cors”, or set its rules where the server is configured.",
    )


def _look() -> Any:
    """Ask for one key: unlike a HEAD, this is answered with a reason where it is refused."""
    client = cast(S3BlobStorage, blob_storage()).client
    bucket = settings.ENV.AIHUB_S3_BUCKET
    return client.list_objects_v2(Bucket=bucket, Prefix=PROBE, MaxKeys=1)
