"""The project as a Django app: it holds no models, only system checks and commands."""

import os
from typing import Any

from django.apps import AppConfig
from django.core import checks

from aihub import env


class AihubConfig(AppConfig):
    name = "aihub"

    def ready(self) -> None:
        from aihub import celery  # noqa: F401 - tasks bind to the application that is imported

        checks.register(check_environment)


def check_environment(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Warn of variables that nothing reads."""
    return [
        checks.Warning(f"{name} is set, but the hub has no such setting.", id="aihub.W001")
        for name in env.unknown_names(dict(os.environ))
    ]
