"""All addresses: the admin at `/admin/` (and at the root), the REST API at `/api/`."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/", include("billing_site.rest.urls")),
]

handler400 = "billing_site.rest.error_pages.bad_request"
handler403 = "billing_site.rest.error_pages.forbidden"
handler404 = "billing_site.rest.error_pages.not_found"
handler500 = "billing_site.rest.error_pages.server_error"
