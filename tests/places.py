"""Places of one's own in servers that run: a database, two numbers of Redis, a bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import getaddrinfo
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import MySQLdb


@dataclass(frozen=True)
class Places:
    """The servers by their URLs: `mysql://user:password@host:port`, `redis://host:port`, S3's."""

    mysql: str
    redis: str
    s3: str
    s3_key: str
    s3_secret: str

    def environ(self, who: str, number: int) -> dict[str, str]:
        """The variables of a hub with its own database, bucket and Redis numbers, all made."""
        self.make_database(f"aihub_{who}")
        self.make_bucket(f"aihub-{who}")
        return {
            "DATABASE_URL": f"{self.mysql}/aihub_{who}",
            "AIHUB_BROKER_URL": f"{self.redis}/{2 * number}",
            "AIHUB_CACHE_URL": f"{self.redis}/{2 * number + 1}",
            "AIHUB_S3_ENDPOINT": self.s3,
            "AIHUB_S3_ACCESS_KEY": self.s3_key,
            "AIHUB_S3_SECRET_KEY": self.s3_secret,
            "AIHUB_S3_BUCKET": f"aihub-{who}",
        }

    def make_database(self, name: str) -> None:
        with self.sql() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")

    def make_bucket(self, name: str) -> None:
        with self.store() as s3:
            s3.create_bucket(Bucket=name)

    def addresses(self) -> set[str]:
        """Where the servers listen, as numbers."""
        hosts = [urlsplit(url).hostname for url in (self.mysql, self.redis, self.s3)]
        return {str(found[4][0]) for host in hosts for found in getaddrinfo(host, None)}

    @contextmanager
    def sql(self) -> Iterator[Any]:
        """A cursor of the database server."""
        server = urlsplit(self.mysql)
        connection = MySQLdb.connect(
            host=server.hostname or "",
            port=server.port or 3306,
            user=unquote(server.username or ""),
            password=unquote(server.password or ""),
        )
        try:
            yield connection.cursor()
        finally:
            connection.close()

    @contextmanager
    def store(self) -> Iterator[Any]:
        """A client of the object store."""
        s3 = boto3.client(
            "s3",
            endpoint_url=self.s3,
            aws_access_key_id=self.s3_key,
            aws_secret_access_key=self.s3_secret,
            region_name="us-east-1",
        )
        try:
            yield s3
        finally:
            s3.close()
