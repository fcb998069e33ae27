"""The ASGI application that an ASGI server serves."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")

application = get_asgi_application()
