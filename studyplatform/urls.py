"""Every address of the platform. Each app brings its pages and its part of the API."""

from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from studyplatform import health

# OPTIONS would describe the view, which this page has no words for.
DOCUMENTATION = SpectacularSwaggerSplitView.as_view(url_name="api-schema", http_method_names=["get", "head"])

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("version", health.version, name="version"),
    path("", include("analytics.urls")),
    path("", include("trials.urls")),
    path("", include("measurements.urls")),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include("trials.api.urls")),
    path("api/v1/", include("measurements.api.urls")),
    path("api/v1/", include("analytics.api.urls")),
    path("api/v1/schema/", login_not_required(SpectacularAPIView.as_view()), name="api-schema"),
    path("api/v1/docs/", login_not_required(DOCUMENTATION), name="api-docs"),
]

handler404 = "studyplatform.errors.page_not_found"
handler500 = "studyplatform.errors.server_error"
