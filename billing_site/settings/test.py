"""Settings of the tests: real PostgreSQL and Redis, mail in memory, cheap password hashes."""

import os

from .base import *  # noqa: F403
from .base import DATABASES, REDIS_URL

# Each process of a parallel run has its own database within Redis (the default has 16), as it has in PostgreSQL.
REDIS_URL = f"{REDIS_URL.rsplit('/', 1)[0]}/{int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:]) % 16}"
CELERY_BROKER_URL = REDIS_URL
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# A thread of the test server must not keep its connection: the database could not be dropped at the end.
DATABASES["default"]["CONN_MAX_AGE"] = 0

# A database that was made for the run already (tests/quick.py).
if os.environ.get("BILLING_TEST_DATABASE"):
    DATABASES["default"]["TEST"] = {"NAME": os.environ["BILLING_TEST_DATABASE"]}

SECRET_KEY = "only-for-tests"
API_KEY_MEMORY_SECONDS = 0  # each test has keys of its own, and counts its queries
ALLOWED_HOSTS = ["*"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
BILLING_TEST_CLOCK = True
