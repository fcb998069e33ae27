"""All addresses: the admin at `/admin/`, the REST API at `/api/`."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/", include("billing_site.rest.urls")),
]

handler400 = "billing_site.rest.error_pages.bad_request"
handler404 = "billing_site.rest.error_pages.not_found"
handler500 = "billing_site.rest.error_pages.server_error"
