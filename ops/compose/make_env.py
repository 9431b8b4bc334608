"""`make env`: write the `.env` that docker-compose.yml reads, with passwords of its own.

Standard library only: it runs before anything is installed. A file that is there is kept as it is;
what it lacks, since a newer release wants it, is added at its end.
"""

import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


def secret() -> str:
    """128 random bits in characters that are safe in URLs, shells and YAML; MinIO takes 40."""
    return secrets.token_hex(16)


def _same(value: str) -> Callable[[], str]:
    return lambda: value


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of the file: how its value is made, and what a person should know of it."""

    name: str
    make: Callable[[], str]
    about: str

    def lines(self) -> str:
        return f"# {self.about}\n{self.name}={self.make()}\n"


VARIABLES = (
    Variable(
        "AIHUB_PUBLIC_URL",
        _same("http://localhost:8080"),
        "Where people open the hub: the origin of its pages, as a browser shows it.",
    ),
    Variable(
        "AIHUB_S3_PUBLIC_ENDPOINT",
        _same("http://localhost:9000"),
        "Where browsers reach MinIO. URLs are signed for this very host and port.",
    ),
    Variable(
        "AIHUB_HOSTS",
        _same("localhost 127.0.0.1"),
        "Host names under which the hub is asked; that of AIHUB_PUBLIC_URL must be among them.",
    ),
    Variable(
        "TORCH_INDEX",
        _same(""),
        "A package index with CPU builds of torch. Empty: what pip finds by itself, which on "
        "x86-64 is the build for CUDA, gigabytes larger.",
    ),
    Variable("AIHUB_SECRET_KEY", secret, "Signs sessions, tokens and manifests."),
    Variable(
        "AIHUB_SECRET_KEY_OLD",
        _same(""),
        "Another one that is taken too, while the key is replaced (docs/operations.md).",
    ),
    Variable("AIHUB_ADMIN_PASSWORD", secret, "The hub's user “admin”."),
    Variable("MYSQL_ROOT_PASSWORD", secret, "MySQL's root, who is needed for backups alone."),
    Variable("MYSQL_PASSWORD", secret, "MySQL's user “aihub”, who has the database “aihub”."),
    Variable("REDIS_PASSWORD", secret, "Redis."),
    Variable("MINIO_ROOT_USER", secret, "MinIO's administrator: his name,"),
    Variable("MINIO_ROOT_PASSWORD", secret, "and his password."),
    Variable("AIHUB_S3_ACCESS_KEY", secret, "The hub's own key of MinIO, for its bucket alone,"),
    Variable("AIHUB_S3_SECRET_KEY", secret, "and its secret."),
    Variable("GRAFANA_ADMIN_PASSWORD", secret, "Grafana's user “admin”."),
    Variable("ELASTIC_PASSWORD", secret, "Elasticsearch's user “elastic”, who signs in to Kibana."),
    Variable("KIBANA_PASSWORD", secret, "Kibana's own user of Elasticsearch."),
    Variable("LOGSTASH_PASSWORD", secret, "Logstash's own user, who may add lines of the hub."),
    Variable("KIBANA_ENCRYPTION_KEY", secret, "Kibana's sessions are encrypted with it."),
)


def write(path: Path, variables: Iterable[Variable] = VARIABLES) -> list[str]:
    """Add to the file, made with mode 0600, the variables that it lacks; answers their names."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a+") as file:
        file.seek(0)
        text = file.read()
        there = set(re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", text, re.MULTILINE))
        missing = [variable for variable in variables if variable.name not in there]
        file.write("\n" if missing and text and not text.endswith("\n") else "")
        file.write("\n".join(variable.lines() for variable in missing))
    return [variable.name for variable in missing]


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else ".env")
    added = write(path)
    print(f"{path}: {'added ' + ', '.join(added) if added else 'nothing is missing'}")  # noqa: T201


if __name__ == "__main__":
    main()
