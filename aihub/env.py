"""Every environment variable that the hub reads, typed, in one place.

`docs/configuration.md` holds the same table for operators; a test keeps the two equal.
A value that does not fit stops the process at start with one sentence that names the variable.
"""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
_ARCHITECTURE = re.compile(r"[\w.-]+=[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_SECRET = re.compile(r"[^\s,]{32,}")
_POOL = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
ROLES = ("all", "web", "infer", "worker", "batch", "beat")
_ADDRESS = re.compile(r"[^@<>\s]+@[^@<>\s]+|[^@<>\r\n]+<[^@<>\s]+@[^@<>\s]+>")
_TRACING = (
    "opentelemetry.sdk",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.celery",
    "opentelemetry.instrumentation.django",
)
SANDBOXES = ("auto", "bubblewrap", "landlock", "off")
OF_THE_CLIENT = frozenset({"AIHUB_URL", "AIHUB_API_KEY"})  # what the command `aihub` reads


@dataclass(frozen=True)
class Env:
    """The environment, read and checked. Sizes are in bytes, times in seconds."""

    AIHUB_HOME: Path
    AIHUB_ROLE: str
    AIHUB_HOST: str
    AIHUB_PORT: int
    AIHUB_DEBUG: bool
    AIHUB_LOG_LEVEL: str
    AIHUB_SECRET_KEY: str
    AIHUB_SECRET_KEY_OLD: tuple[str, ...]
    AIHUB_ADMIN_PASSWORD: str
    AIHUB_ALLOWED_HOSTS: tuple[str, ...]
    AIHUB_TRUSTED_ORIGINS: tuple[str, ...]
    AIHUB_TRUSTED_PROXIES: int
    AIHUB_MODELS_FILE: Path | None
    AIHUB_ARCHITECTURES: tuple[str, ...]
    AIHUB_MULTIPART_MAX: int
    AIHUB_UPLOAD_MAX: int
    AIHUB_UPLOAD_HOURS: int
    AIHUB_PART_SIZE: int
    AIHUB_TRASH_DAYS: int
    AIHUB_VERIFY_DAYS: int
    AIHUB_SANDBOX: str
    AIHUB_SANDBOX_MEMORY: int
    AIHUB_SANDBOX_SECONDS: int
    AIHUB_PREDICT_MAX: int
    AIHUB_PREDICT_ITEMS: int
    AIHUB_IMAGE_PIXELS: int
    AIHUB_LOGIN_FAILURES: int
    AIHUB_LOGIN_WINDOW: int
    AIHUB_THREADS: int
    AIHUB_DEVICE: str
    AIHUB_POOL: str
    AIHUB_MODEL_MEMORY: int
    AIHUB_MAX_BATCH: int
    AIHUB_MAX_DELAY_MS: int
    AIHUB_QUEUE: int
    AIHUB_GRPC_PORT: int
    AIHUB_HEALTH_PORT: int
    AIHUB_OPTIMISE: bool
    AIHUB_FILE_CACHE: int
    AIHUB_WORKER_PROCESSES: int
    AIHUB_BATCH_PROCESSES: int
    AIHUB_BATCH_NICE: int
    AIHUB_BATCH_JOBS: int
    AIHUB_BATCH_DAYS: int
    AIHUB_BATCH_STALLED: int
    AIHUB_PUBLIC_URL: str
    AIHUB_WEBHOOK_PRIVATE: bool
    AIHUB_EMAIL_URL: str
    AIHUB_EMAIL_FROM: str
    AIHUB_TRACE_ENDPOINT: str
    AIHUB_TRACE_SAMPLE: float
    DATABASE_URL: str
    AIHUB_BROKER_URL: str
    AIHUB_CACHE_URL: str
    AIHUB_S3_ENDPOINT: str
    AIHUB_S3_PUBLIC_ENDPOINT: str
    AIHUB_S3_ACCESS_KEY: str
    AIHUB_S3_SECRET_KEY: str
    AIHUB_S3_BUCKET: str
    AIHUB_S3_REGION: str
    AIHUB_BACKUP_S3_ENDPOINT: str
    AIHUB_BACKUP_S3_ACCESS_KEY: str
    AIHUB_BACKUP_S3_SECRET_KEY: str
    AIHUB_BACKUP_S3_REGION: str

    @property
    def embedded(self) -> bool:
        """True on the laptop's default: SQLite, local files and a file-system broker."""
        return not self.DATABASE_URL

    @property
    def over_https(self) -> bool:
        """Whether people reach the console over HTTPS."""
        urls = (self.AIHUB_PUBLIC_URL, *self.AIHUB_TRUSTED_ORIGINS)
        return any(url.startswith("https://") for url in urls)


def read(environ: dict[str, str] | None = None) -> Env:
    """Read and check the environment (`os.environ` unless given)."""
    source = _Source(dict(os.environ if environ is None else environ))
    home = source.path("AIHUB_HOME", BASE_DIR / "var")
    env = Env(
        AIHUB_HOME=home,
        AIHUB_ROLE=source.choice("AIHUB_ROLE", "all", ROLES),
        AIHUB_HOST=source.text("AIHUB_HOST", "127.0.0.1"),
        AIHUB_PORT=source.integer("AIHUB_PORT", 8000, low=1, high=65535),
        AIHUB_DEBUG=source.boolean("AIHUB_DEBUG", default=False),
        AIHUB_LOG_LEVEL=source.choice(
            "AIHUB_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")
        ),
        AIHUB_SECRET_KEY=source.text("AIHUB_SECRET_KEY", "", check=_check_secret),
        AIHUB_SECRET_KEY_OLD=source.words(
            "AIHUB_SECRET_KEY_OLD", _SECRET, "keys of at least 32 characters each"
        ),
        AIHUB_ADMIN_PASSWORD=source.text("AIHUB_ADMIN_PASSWORD", ""),
        AIHUB_ALLOWED_HOSTS=source.words("AIHUB_ALLOWED_HOSTS"),
        AIHUB_TRUSTED_ORIGINS=source.words("AIHUB_TRUSTED_ORIGINS"),
        AIHUB_TRUSTED_PROXIES=source.integer("AIHUB_TRUSTED_PROXIES", 0, low=0, high=10),
        AIHUB_MODELS_FILE=source.optional_file("AIHUB_MODELS_FILE"),
        AIHUB_ARCHITECTURES=source.words(
            "AIHUB_ARCHITECTURES", _ARCHITECTURE, "words of the form name=package.module:factory"
        ),
        AIHUB_MULTIPART_MAX=source.integer("AIHUB_MULTIPART_MAX", 2048 * MIB, low=1024),
        AIHUB_UPLOAD_MAX=source.integer("AIHUB_UPLOAD_MAX", 1024 * 1024 * MIB, low=1024),
        AIHUB_UPLOAD_HOURS=source.integer("AIHUB_UPLOAD_HOURS", 168, low=1),
        AIHUB_PART_SIZE=source.integer(
            "AIHUB_PART_SIZE", 16 * MIB, low=5 * MIB, high=5 * 1024 * MIB
        ),
        AIHUB_TRASH_DAYS=source.integer("AIHUB_TRASH_DAYS", 30, low=0),
        AIHUB_VERIFY_DAYS=source.integer("AIHUB_VERIFY_DAYS", 7, low=0),
        AIHUB_SANDBOX=source.choice("AIHUB_SANDBOX", "auto", SANDBOXES),
        AIHUB_SANDBOX_MEMORY=source.integer("AIHUB_SANDBOX_MEMORY", 8 * 1024 * MIB, low=256 * MIB),
        AIHUB_SANDBOX_SECONDS=source.integer("AIHUB_SANDBOX_SECONDS", 600, low=1),
        AIHUB_PREDICT_MAX=source.integer("AIHUB_PREDICT_MAX", 32 * MIB, low=1024),
        AIHUB_PREDICT_ITEMS=source.integer("AIHUB_PREDICT_ITEMS", 64, low=1),
        AIHUB_IMAGE_PIXELS=source.integer("AIHUB_IMAGE_PIXELS", 50_000_000, low=1),
        AIHUB_LOGIN_FAILURES=source.integer("AIHUB_LOGIN_FAILURES", 10, low=1),
        AIHUB_LOGIN_WINDOW=source.integer("AIHUB_LOGIN_WINDOW", 300, low=1),
        AIHUB_THREADS=source.integer("AIHUB_THREADS", 0, low=0, high=1024),
        AIHUB_DEVICE=source.choice("AIHUB_DEVICE", "auto", ("auto", "cpu", "cuda")),
        AIHUB_POOL=source.text("AIHUB_POOL", "", check=_check_pool),
        AIHUB_MODEL_MEMORY=source.integer("AIHUB_MODEL_MEMORY", 0, low=0),
        AIHUB_MAX_BATCH=source.integer("AIHUB_MAX_BATCH", 16, low=1, high=1024),
        AIHUB_MAX_DELAY_MS=source.integer("AIHUB_MAX_DELAY_MS", 0, low=0, high=1000),
        AIHUB_QUEUE=source.integer("AIHUB_QUEUE", 256, low=1, high=100_000),
        AIHUB_GRPC_PORT=source.integer("AIHUB_GRPC_PORT", 0, low=0, high=65535),
        AIHUB_HEALTH_PORT=source.integer("AIHUB_HEALTH_PORT", 0, low=0, high=65535),
        AIHUB_OPTIMISE=source.boolean("AIHUB_OPTIMISE", default=True),
        AIHUB_FILE_CACHE=source.integer("AIHUB_FILE_CACHE", 20 * 1024 * MIB, low=MIB),
        AIHUB_WORKER_PROCESSES=source.integer("AIHUB_WORKER_PROCESSES", 1, low=1, high=256),
        AIHUB_BATCH_PROCESSES=source.integer("AIHUB_BATCH_PROCESSES", 1, low=1, high=256),
        AIHUB_BATCH_NICE=source.integer("AIHUB_BATCH_NICE", 10, low=0, high=19),
        AIHUB_BATCH_JOBS=source.integer("AIHUB_BATCH_JOBS", 100, low=1),
        AIHUB_BATCH_DAYS=source.integer("AIHUB_BATCH_DAYS", 30, low=1),
        AIHUB_BATCH_STALLED=source.integer("AIHUB_BATCH_STALLED", 300, low=15),
        AIHUB_PUBLIC_URL=source.text("AIHUB_PUBLIC_URL", "", check=_check_url("http", "https")),
        AIHUB_WEBHOOK_PRIVATE=source.boolean("AIHUB_WEBHOOK_PRIVATE", default=False),
        AIHUB_EMAIL_URL=source.text(
            "AIHUB_EMAIL_URL", "", check=_check_url("smtp", "smtp+tls", "smtp+ssl")
        ),
        AIHUB_EMAIL_FROM=source.text("AIHUB_EMAIL_FROM", "", check=_check_address),
        AIHUB_TRACE_ENDPOINT=source.text(
            "AIHUB_TRACE_ENDPOINT", "", check=_check_url("http", "https")
        ),
        AIHUB_TRACE_SAMPLE=source.share("AIHUB_TRACE_SAMPLE", 0.1),
        DATABASE_URL=source.text(
            "DATABASE_URL", "", check=_check_url("mysql", "sqlite", path=True)
        ),
        AIHUB_BROKER_URL=source.text(
            "AIHUB_BROKER_URL", "", check=_check_url("redis", "rediss", "filesystem")
        ),
        AIHUB_CACHE_URL=source.text("AIHUB_CACHE_URL", "", check=_check_url("redis", "rediss")),
        AIHUB_S3_ENDPOINT=source.text("AIHUB_S3_ENDPOINT", "", check=_check_url("http", "https")),
        AIHUB_S3_PUBLIC_ENDPOINT=source.text(
            "AIHUB_S3_PUBLIC_ENDPOINT", "", check=_check_url("http", "https")
        ),
        AIHUB_S3_ACCESS_KEY=source.text("AIHUB_S3_ACCESS_KEY", ""),
        AIHUB_S3_SECRET_KEY=source.text("AIHUB_S3_SECRET_KEY", ""),
        AIHUB_S3_BUCKET=source.text("AIHUB_S3_BUCKET", "aihub"),
        AIHUB_S3_REGION=source.text("AIHUB_S3_REGION", "us-east-1"),
        AIHUB_BACKUP_S3_ENDPOINT=source.text(
            "AIHUB_BACKUP_S3_ENDPOINT", "", check=_check_url("http", "https")
        ),
        AIHUB_BACKUP_S3_ACCESS_KEY=source.text("AIHUB_BACKUP_S3_ACCESS_KEY", ""),
        AIHUB_BACKUP_S3_SECRET_KEY=source.text("AIHUB_BACKUP_S3_SECRET_KEY", ""),
        AIHUB_BACKUP_S3_REGION=source.text("AIHUB_BACKUP_S3_REGION", "us-east-1"),
    )
    _check_together(env)
    return env


def kept_secret(path: Path, *, length: int = 48) -> str:
    """The secret kept in `path`, made there (mode 0600) when it is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    secret = secrets.token_urlsafe(length)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")
    return secret


def unknown_names(environ: dict[str, str]) -> list[str]:
    """Names that look like the hub's but that it does not read: most likely typing errors."""
    known = OF_THE_CLIENT | {field.name for field in fields(Env)}
    return sorted(name for name in environ if name.startswith("AIHUB_") and name not in known)


def _check_ports(env: Env) -> None:
    """Who sets two of them to one port means something else by one of the two."""
    ports: dict[int, str] = {}
    for name in ("AIHUB_PORT", "AIHUB_GRPC_PORT", "AIHUB_HEALTH_PORT"):
        port = getattr(env, name)
        if port in ports:
            raise ImproperlyConfigured(
                f"{name} and {ports[port]} are both {port}: set {name} to another port."
            )
        if port:
            ports[port] = name


def _check_together(env: Env) -> None:
    _check_ports(env)
    if env.AIHUB_S3_ENDPOINT and not (env.AIHUB_S3_ACCESS_KEY and env.AIHUB_S3_SECRET_KEY):
        raise ImproperlyConfigured(
            "AIHUB_S3_ENDPOINT is set: set AIHUB_S3_ACCESS_KEY and AIHUB_S3_SECRET_KEY too."
        )
    if env.AIHUB_BACKUP_S3_ENDPOINT and not (
        env.AIHUB_BACKUP_S3_ACCESS_KEY and env.AIHUB_BACKUP_S3_SECRET_KEY
    ):
        raise ImproperlyConfigured(
            "AIHUB_BACKUP_S3_ENDPOINT is set: set AIHUB_BACKUP_S3_ACCESS_KEY and "
            "AIHUB_BACKUP_S3_SECRET_KEY too."
        )
    if env.AIHUB_EMAIL_URL and not env.AIHUB_EMAIL_FROM:
        raise ImproperlyConfigured(
            "AIHUB_EMAIL_URL is set: set AIHUB_EMAIL_FROM too, the address that mails come from."
        )
    if env.AIHUB_TRACE_ENDPOINT and not all(map(_is_installed, _TRACING)):
        raise ImproperlyConfigured(
            "AIHUB_TRACE_ENDPOINT is set, and OpenTelemetry is not installed: it comes with "
            "“pip install -r requirements.txt”."
        )
    if env.DATABASE_URL.startswith("mysql") and find_spec("MySQLdb") is None:
        raise ImproperlyConfigured(
            "DATABASE_URL names MySQL, and its driver is not installed: it comes with "
            "“pip install -r requirements.txt”."
        )
    if not env.embedded and not env.AIHUB_SECRET_KEY:
        raise ImproperlyConfigured(
            "DATABASE_URL is set: set AIHUB_SECRET_KEY too, the same for every process."
        )
    if not env.embedded and not env.AIHUB_BROKER_URL:
        raise ImproperlyConfigured(
            "DATABASE_URL is set: set AIHUB_BROKER_URL too, for example redis://redis:6379/0."
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package that it is in
        return False


def _check_address(value: str) -> str | None:
    return None if _ADDRESS.fullmatch(value) else "an e-mail address, or “Name <address>”"


def _check_secret(value: str) -> str | None:
    return None if len(value) >= 32 else "at least 32 characters"


def _check_pool(value: str) -> str | None:
    fits = value == "*" or _POOL.fullmatch(value)
    return None if fits else "a name of a-z, 0-9 and -, or * for every pool"


def _check_url(*schemes: str, path: bool = False) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        wanted = f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018 - reading it checks it
        except ValueError:
            return wanted
        if parts.scheme not in schemes:
            return wanted
        if path and parts.path in ("", "/"):
            return f"{wanted} and names a database"
        return None

    return check


class _Source:
    """Reads values of one kind each and says what is wrong with them."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ

    def text(
        self, name: str, default: str, *, check: Callable[[str], str | None] | None = None
    ) -> str:
        value = self.environ.get(name, "").strip()
        if not value:
            return default
        wanted = check(value) if check else None
        if wanted:
            raise self._wrong(name, wanted)
        return value

    def integer(self, name: str, default: int, *, low: int, high: int | None = None) -> int:
        value = self.text(name, str(default))
        wanted = f"a whole number from {low}" + (f" to {high}" if high is not None else " up")
        try:
            number = int(value)
        except ValueError:
            raise self._wrong(name, wanted) from None
        if number < low or (high is not None and number > high):
            raise self._wrong(name, wanted)
        return number

    def share(self, name: str, default: float) -> float:
        value = self.text(name, str(default))
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise self._wrong(name, "a number from 0 to 1")
        return number

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in ("true", "false", "1", "0", "yes", "no"):
            raise self._wrong(name, "true or false")
        return value in ("true", "1", "yes")

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise self._wrong(name, f"one of {', '.join(choices)}")
        return value

    def words(
        self, name: str, pattern: re.Pattern[str] | None = None, wanted: str = ""
    ) -> tuple[str, ...]:
        words = tuple(self.text(name, "").replace(",", " ").split())
        if pattern and not all(pattern.fullmatch(word) for word in words):
            raise self._wrong(name, wanted)
        return words

    def path(self, name: str, default: Path) -> Path:
        return Path(self.text(name, str(default))).expanduser().resolve()

    def optional_file(self, name: str) -> Path | None:
        value = self.text(name, "")
        if not value:
            return None
        path = Path(value).expanduser().resolve()
        if not path.is_file():
            raise self._wrong(name, "the path of a file that is there")
        return path

    def _wrong(self, name: str, wanted: str) -> ImproperlyConfigured:
        shown: Any = "…" if "SECRET" in name or "PASSWORD" in name else self.environ.get(name)
        if "@" in str(shown):  # a URL with a password in it
            shown = "…"
        return ImproperlyConfigured(f"{name}={shown} does not fit: it must be {wanted}.")
