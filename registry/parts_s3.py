"""Parts on an S3 server: its own multipart uploads, sent to by presigned URLs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings

from registry.parts_types import STAGED, URL_SECONDS, Part, PartsLost
from registry.storage import CONTENT, S3BlobStorage, blob_storage, store_errors


class S3Parts:
    """Multipart uploads of the hub's bucket."""

    def begin(self, key: str) -> str:
        with store_errors():
            answer = self._client.create_multipart_upload(Bucket=self._bucket, Key=key)
        return str(answer["UploadId"])

    def url(self, key: str, store_id: str, part: int, size: int) -> str:
        """The size is signed too: no other goes through."""
        asked = {"UploadId": store_id, "PartNumber": part, "ContentLength": size, **self._at(key)}
        return str(signer().generate_presigned_url("upload_part", asked, ExpiresIn=URL_SECONDS))

    def arrived(self, key: str, store_id: str) -> list[Part]:
        pages = self._client.get_paginator("list_parts")
        with store_errors(), _lost():
            return [
                Part(found["PartNumber"], found["Size"], found["ETag"].strip('"'))
                for page in pages.paginate(**self._at(key), UploadId=store_id)
                for found in page.get("Parts", ())
            ]

    def join(self, key: str, store_id: str, parts: Sequence[Part]) -> None:
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with store_errors(), _lost():
            self._client.complete_multipart_upload(
                **self._at(key), UploadId=store_id, MultipartUpload={"Parts": listed}
            )

    def forget(self, key: str) -> None:
        for found, store_id, _ in list(self._begun(key)):
            if found == key:
                self._abort(key, store_id)

    def begun_before(self, moment: datetime) -> Iterator[tuple[str, str]]:
        for prefix in (STAGED, CONTENT):
            for key, store_id, begun in list(self._begun(prefix)):
                if begun < moment:
                    yield key, store_id

    def _abort(self, key: str, store_id: str) -> None:
        with store_errors(), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(**self._at(key), UploadId=store_id)

    def _begun(self, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        pages = self._client.get_paginator("list_multipart_uploads")
        with store_errors():
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for found in page.get("Uploads", ()):
                    yield found["Key"], found["UploadId"], found["Initiated"]

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": key}

    @property
    def _storage(self) -> S3BlobStorage:
        return cast(S3BlobStorage, blob_storage())

    @property
    def _bucket(self) -> str:
        return str(self._storage.bucket_name)

    @property
    def _client(self) -> Any:
        return self._storage.client


def download_url(key: str, disposition: str) -> str:
    """Where clients fetch content from the server, for an hour."""
    asked = {
        "Bucket": settings.ENV.AIHUB_S3_BUCKET,
        "Key": key,
        "ResponseContentDisposition": disposition,
        "ResponseContentType": "application/octet-stream",
    }
    return str(signer().generate_presigned_url("get_object", asked, ExpiresIn=URL_SECONDS))


@cache
def signer() -> Any:
    """A client that signs URLs for where callers reach the server; it is never called itself."""
    env = settings.ENV
    return boto3.client(
        "s3",
        endpoint_url=env.AIHUB_S3_PUBLIC_ENDPOINT or env.AIHUB_S3_ENDPOINT,
        aws_access_key_id=env.AIHUB_S3_ACCESS_KEY,
        aws_secret_access_key=env.AIHUB_S3_SECRET_KEY,
        region_name=env.AIHUB_S3_REGION,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        ),
    )


class CorsUnsupported(Exception):
    """The server takes no rules for a bucket; the message is its code."""


def cors_allow(origins: Sequence[str]) -> None:
    """Let pages of these origins send parts, see their tags, and fetch content."""
    rule = {
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["GET", "HEAD", "PUT"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag", "Content-Length", "Content-Range"],
        "MaxAgeSeconds": 3600,
    }
    storage = cast(S3BlobStorage, blob_storage())
    with store_errors():
        try:
            storage.client.put_bucket_cors(
                Bucket=storage.bucket_name, CORSConfiguration={"CORSRules": [rule]}
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NotImplemented", "MethodNotAllowed"):
                raise
            raise CorsUnsupported(error.response["Error"]["Code"]) from error


@contextmanager
def _lost() -> Iterator[None]:
    """Within it, an upload that the server does not know is `PartsLost`."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchUpload", "InvalidPart"):
            raise PartsLost from error
        raise
