"""Django's settings, derived from `aihub.env` alone: no value is decided anywhere else."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from botocore.config import Config
from django.utils.translation import gettext_lazy as _

from aihub import __version__, env, logs
from ops.console.theme import UNFOLD as UNFOLD

BASE_DIR = env.BASE_DIR
ENV = env.read()
HOME = ENV.AIHUB_HOME

DEBUG = ENV.AIHUB_DEBUG
SECRET_KEY = ENV.AIHUB_SECRET_KEY or env.kept_secret(HOME / "secret-key")
SECRET_KEY_FALLBACKS = list(ENV.AIHUB_SECRET_KEY_OLD)
ALLOWED_HOSTS = list(ENV.AIHUB_ALLOWED_HOSTS) or ["localhost", "127.0.0.1", "[::1]"]
if not ENV.AIHUB_ALLOWED_HOSTS and ENV.AIHUB_HOST not in ("0.0.0.0", "::"):  # noqa: S104
    ALLOWED_HOSTS.append(ENV.AIHUB_HOST)
CSRF_TRUSTED_ORIGINS = list(ENV.AIHUB_TRUSTED_ORIGINS)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_prometheus",
    "django_filters",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "aihub",
    "registry",
    "inference",
    "ops",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "aihub.request_context.RequestContextMiddleware",
    "aihub.access_lines.AccessLineMiddleware",
    "aihub.probed.ProbedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "aihub.body_limit.BodyLimitMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "aihub.urls"
WSGI_APPLICATION = "aihub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    url = ENV.DATABASE_URL or f"sqlite:///{HOME / 'db.sqlite3'}"
    database: dict[str, Any] = environ.Env.db_url_config(url)
    database["CONN_MAX_AGE"] = 60
    database["CONN_HEALTH_CHECKS"] = True
    if database["ENGINE"].endswith("sqlite3"):
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        database["OPTIONS"] = {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            "connect_timeout": 5,
        }
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ENV.AIHUB_CACHE_URL,
    }
    if ENV.AIHUB_CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}


S3_CLIENT = Config(
    s3={"addressing_style": "path"},
    signature_version="s3v4",
    request_checksum_calculation="when_required",
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "max_attempts": 3},
)


def _storages() -> dict[str, Any]:
    if not ENV.AIHUB_S3_ENDPOINT:
        blobs: dict[str, Any] = {
            "BACKEND": "registry.storage.LocalBlobStorage",
            "OPTIONS": {"location": str(HOME / "blobs")},
        }
    else:
        blobs = {
            "BACKEND": "registry.storage.S3BlobStorage",
            "OPTIONS": {
                "endpoint_url": ENV.AIHUB_S3_ENDPOINT,
                "access_key": ENV.AIHUB_S3_ACCESS_KEY,
                "secret_key": ENV.AIHUB_S3_SECRET_KEY,
                "bucket_name": ENV.AIHUB_S3_BUCKET,
                "region_name": ENV.AIHUB_S3_REGION,
                "client_config": S3_CLIENT,
            },
        }
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "blobs": blobs,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


STORAGES = _storages()
MEDIA_ROOT = HOME / "media"
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
BODY_MAX = 4 * env.MIB
PART_MAX = max(ENV.AIHUB_PART_SIZE, ENV.AIHUB_UPLOAD_MAX // 10_000 + env.MIB)
BODY_MAX_AT = {
    r"/api/v1/models/[^/]+/(versions|samples)/": ENV.AIHUB_MULTIPART_MAX,
    r"/api/v1/batch-jobs/": ENV.AIHUB_MULTIPART_MAX,
    r"/api/v1/uploads/[^/]+/parts/[0-9]+/": PART_MAX,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

AUTHENTICATION_BACKENDS = ["ops.identity.backends.ThrottledModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
CSRF_FAILURE_VIEW = "aihub.errors.csrf_failure"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.over_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if ENV.over_https else 0
# Anybody can send this header; a proxy of ours in front replaces what a client said there.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.AIHUB_TRUSTED_PROXIES else None
SILENCED_SYSTEM_CHECKS = [
    "models.W036",  # what MySQL lacks in constraints
    "models.W037",
    # The gateway, where TLS ends, redirects to HTTPS: behind it probes, scrapes and calls within
    # the cluster speak plain HTTP and must get their answers, not a redirect.
    "security.W008",
    # HSTS is of this host alone. Its subdomains and browsers' preload lists are the decision of
    # whoever owns the domain, and cannot be taken back.
    "security.W005",
    "security.W021",
]

_mail: dict[str, Any] = environ.Env.email_url_config(ENV.AIHUB_EMAIL_URL or "dummymail://")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENV.AIHUB_EMAIL_FROM

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "aihub" / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "ops.identity.drf.HeaderAuthentication",
        "ops.identity.drf.ConsoleAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "aihub.api.Pagination",
    "DEFAULT_FILTER_BACKENDS": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["aihub.api.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "aihub.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=30),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "CHECK_REVOKE_TOKEN": True,
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "ISSUER": "aihub",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "AIHub",
    "DESCRIPTION": "Publish models once; call every one of them through one API.",
    "VERSION": __version__,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "inference.openapi.add_prediction",
        "aihub.openapi.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "VersionState": "registry.models.versions.State",
        "StepState": ["pending", "running", "done", "failed"],
        "BreakerState": "inference.api.serializers.STATES",
        "BreakerForced": "inference.api.serializers.FORCED",
        "DeliveryState": "ops.models.Delivery.States",
        "DeliveryError": "ops.models.Delivery.Errors",
        "BatchJobState": "inference.models.batch.JobState",
        "ApprovalState": "registry.models.Approval.States",
        "UploadState": "registry.models.Upload.States",
        "TrashKind": ["model", "version"],
    },
}

CELERY_BROKER_URL = ENV.AIHUB_BROKER_URL or "filesystem://localhost"
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "ops.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # seconds until a schedule that was changed is seen
CELERY_BEAT_SYNC_EVERY = 1  # what has been started is written down at once
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # there are none: no schedule of Celery's own to remove them
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = ENV.AIHUB_WORKER_PROCESSES
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"visibility_timeout": 60, "socket_connect_timeout": 5, "max_retries": 0}
    if ENV.AIHUB_BROKER_URL.startswith("redis")
    else {
        "data_folder_in": str(HOME / "broker" / "messages"),
        "data_folder_out": str(HOME / "broker" / "messages"),
        "control_folder": str(HOME / "broker" / "control"),
        "store_processed": False,
        "polling_interval": 0.1,
    }
)

LOGGING_CONFIG = None
logs.configure(
    level=ENV.AIHUB_LOG_LEVEL,
    role=ENV.AIHUB_ROLE,
    secrets={SECRET_KEY, *logs.secrets_of(vars(ENV))},
)

HOME_FOLDERS: tuple[Path, ...] = (
    HOME,
    HOME / "blobs",
    HOME / "broker" / "messages",
    HOME / "broker" / "control",
    HOME / "cache",
    STATIC_ROOT,
)
for _folder in HOME_FOLDERS:
    _folder.mkdir(parents=True, exist_ok=True, mode=0o700)
