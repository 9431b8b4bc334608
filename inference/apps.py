"""The inference app: runtimes, the pool, prediction; it adds its steps to processing."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InferenceConfig(AppConfig):
    name = "inference"
    verbose_name = _("Inference")

    def ready(self) -> None:
        from inference import optimisation, processing
        from inference.batch import work
        from inference.usage import batch_guard, fallbacks_guard, schedules_guard
        from registry.usage import add_guard

        processing.register()
        optimisation.register()
        work.register()
        add_guard(fallbacks_guard)
        add_guard(batch_guard)
        add_guard(schedules_guard)
