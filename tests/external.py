"""Servers that run already, as service containers do; the tests leave them as they found them.

They are the tests' alone, and hold nothing when they begin: at the end all buckets and the hub's
databases are removed, and Redis is emptied.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import pytest
import redis

from tests.places import Places

# The variable of each server's address, and an example of its value.
VARIABLES = {
    "AIHUB_TEST_MYSQL_URL": "mysql://root:password@127.0.0.1:3306",
    "AIHUB_TEST_REDIS_URL": "redis://127.0.0.1:6379",
    "AIHUB_TEST_S3_URL": "http://127.0.0.1:9000",
    "AIHUB_TEST_S3_KEY": "key",
    "AIHUB_TEST_S3_SECRET": "secret",
}


@contextmanager
def external_places(environ: MutableMapping[str, str]) -> Iterator[Places]:
    """The servers that the variables name, which are taken out of the environment."""
    places = Places(*(_given(environ, name) for name in VARIABLES))
    _check_empty(places)
    try:
        yield places
    finally:
        _empty(places)


def _given(environ: MutableMapping[str, str], name: str) -> str:
    value = environ.pop(name, "").rstrip("/")
    if not value:
        raise pytest.UsageError(f"--stack=external needs {name}, such as {VARIABLES[name]}")
    return value


def _check_empty(places: Places) -> None:
    left = [*_databases(places), *_buckets(places)]
    if left:
        raise pytest.UsageError(f"the servers are not the tests' alone: they hold {left}")


def _databases(places: Places) -> list[str]:
    with places.sql() as cursor:
        cursor.execute("SHOW DATABASES")
        names = [name for (name,) in cursor.fetchall()]
    return [name for name in names if name.startswith(("aihub_", "test_aihub_"))]


def _buckets(places: Places) -> list[str]:
    with places.store() as s3:
        return [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def _empty(places: Places) -> None:
    for name in _databases(places):
        with places.sql() as cursor:
            cursor.execute(f"DROP DATABASE {name}")
    for name in _buckets(places):
        _remove_bucket(places, name)
    with redis.Redis.from_url(places.redis) as server:
        server.flushall()


def _remove_bucket(places: Places, name: str) -> None:
    with places.store() as s3:
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            for found in page.get("Contents", []):
                s3.delete_object(Bucket=name, Key=found["Key"])
        s3.delete_bucket(Bucket=name)
