"""The registry app: teams, models, versions, aliases, blobs, and their processing."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RegistryConfig(AppConfig):
    name = "registry"
    verbose_name = _("Registry")

    def ready(self) -> None:
        from registry import models, usage
        from registry.models.revision import revision_follow
        from registry.processing import collecting, pipeline, verifying

        revision_follow(
            models.Team,
            models.Membership,
            models.RegisteredModel,
            models.ModelVersion,
            models.Alias,
        )
        pipeline.register()
        verifying.register()
        collecting.register()
        usage.add_guard(usage.aliases_guard)
        usage.add_guard(usage.approvals_guard)
