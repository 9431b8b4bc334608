"""Which app answers which path."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from ops import health
from ops.console.site import site
from ops.metrics.page import MetricsView

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", MetricsView()),
    path("api/v1/", include("registry.api.urls")),
    path("api/v1/", include("inference.api.urls")),
    path("api/v1/", include("ops.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", site.urls),
]
handler400 = "aihub.errors.bad_request"
handler403 = "aihub.errors.forbidden"
handler404 = "aihub.errors.not_found"
handler500 = "aihub.errors.server_error"
