"""Settings of `make serve` and `make demo`: one machine, embedded services, mail to files."""

import os

from billing_site.runtime.wiring import data_dir, development_secret_key

from .base import *  # noqa: F403

DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY") or development_secret_key()
ALLOWED_HOSTS = ["*"]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = data_dir() / "mail"
STATIC_ROOT = data_dir() / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
API_RATE_LIMIT = None
