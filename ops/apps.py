"""The ops app: identity, audit, health, the console, and the launcher."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OpsConfig(AppConfig):
    name = "ops"
    verbose_name = _("Operations")

    def ready(self) -> None:
        from django.contrib.auth import get_user_model

        from aihub import events
        from inference.batch import owners
        from ops import audit, models
        from ops.identity.directory import principal_find
        from ops.notifications import outbox, sweeping
        from registry.models.revision import revision_follow
        from registry.services.housekeeping import add_chore

        events.subscribe(audit.record)
        events.subscribe(outbox.record)
        owners.use(principal_find)
        add_chore(sweeping.deliveries_sweep)
        revision_follow(get_user_model(), models.ApiKey)
