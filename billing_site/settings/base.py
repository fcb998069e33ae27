"""Settings that hold everywhere. What steers an installation comes from the environment."""

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from kombu import Queue

from billing_site.queues import QUEUES, ROUTES, TICKS
from billing_site.runtime.wiring import database_config, redis_url
from core.limits import read_limits
from core.notifications.addresses import read_networks

from .admin import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent.parent

INSTALLED_APPS = [
    "core.audit",
    "core.approvals",
    "core.outbox",
    "core.notifications",
    "core.testclock",
    "customers",
    "entitlements",
    "subscriptions",
    "invoicing",
    "billing_site.access",
    "billing_site",
    "billing_site.backoffice",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "billing_site.backoffice.config.FinanceDeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "core.testclock.middleware.TestClockMiddleware",
    "core.audit.middleware.ActorMiddleware",
    "axes.middleware.AxesMiddleware",
    "billing_site.rest.middleware.ApiMiddleware",
]

# The API refuses what comes without TLS by itself, where pages redirect (rest/middleware.py).
SECURE_REDIRECT_EXEMPT = [r"^api(/|$)"]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

ROOT_URLCONF = "billing_site.urls"
WSGI_APPLICATION = "billing_site.wsgi.application"
ASGI_APPLICATION = "billing_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": database_config()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = redis_url()
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_QUEUES = [Queue(name) for name in QUEUES]  # named, so that a worker that is told nothing serves them all
CELERY_TASK_ROUTES = ROUTES
CELERY_TASK_DEFAULT_QUEUE = TICKS
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TIMEZONE = "UTC"

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["billing_site.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
# A mail server that doesn't answer must not hold a worker for good.
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "billing@countinghouse.example")

# Whether the stored test clock may steer time. Never in production: see settings.production.
BILLING_TEST_CLOCK = os.environ.get("BILLING_TEST_CLOCK") == "1"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["billing_site.rest.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["billing_site.rest.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["billing_site.rest.throttling.PerKeyThrottle"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.rest.negotiation.LenientNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["core.rest.renderers.WireJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.rest.parsers.DecimalJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "core.rest.pagination.PageNumberPagination",
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "core.rest.ordering.OrderBy",
    ],
    "DEFAULT_SCHEMA_CLASS": "billing_site.rest.schema.WireAutoSchema",
    "EXCEPTION_HANDLER": "billing_site.rest.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    # OPTIONS is a 405: the schema says what can be sent.
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countinghouse",
    "DESCRIPTION": "Customers, plans, subscriptions, usage and invoices.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v[12]",
    "COMPONENT_SPLIT_REQUEST": True,
    # What is computed for an answer may be absent from it: absent instead of null.
    "COMPONENT_NO_READ_ONLY_REQUIRED": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "AppStatusEnum": ["ready", "unauthorized"],
        "AppTypeEnum": ["sandbox", "bank_transfer", "stripe"],
        "BalanceMovementTypeEnum": ["credit_note", "overpayment", "applied", "released", "refund"],
        "NotificationEventTypeEnum": [
            "entitlements.balance.threshold",
            "entitlements.reset",
            "invoice.created",
            "invoice.updated",
        ],
        "NotificationThresholdTypeEnum": [
            "balance_value",
            "usage_percentage",
            "usage_value",
            "PERCENT",
            "NUMBER",
        ],
        "NotificationChannelTypeEnum": ["WEBHOOK"],
        "NotificationDeliveryStateEnum": ["PENDING", "SENDING", "SUCCESS", "FAILED", "RESENDING"],
        "DocumentTypeEnum": ["invoice", "credit_note"],
        "EntitlementTypeEnum": ["metered", "static", "boolean"],
        "PlanStatusEnum": ["draft", "scheduled", "active", "archived"],
        "SubscriptionStatusEnum": ["scheduled", "active", "canceled", "inactive"],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# A profile migration of more customers than this is approved by somebody else than its author.
MIGRATION_TWO_PERSON_ABOVE = int(os.environ.get("MIGRATION_TWO_PERSON_ABOVE", 50))

# The largest amount that is billed or booked, by currency, where it is not the usual one: core.limits.
AMOUNT_LIMITS = read_limits(os.environ.get("AMOUNT_LIMITS", ""))

# What else one person does alone, and how long a proposal waits for a second one: docs/decisions/four-eyes.md.
PROFILE_TWO_PERSON_ABOVE = int(os.environ.get("PROFILE_TWO_PERSON_ABOVE", 50))
DISCOUNT_TWO_PERSON_ABOVE_PERCENT = Decimal(os.environ.get("DISCOUNT_TWO_PERSON_ABOVE_PERCENT", "50"))
DISCOUNT_TWO_PERSON_ABOVE_AMOUNTS = read_limits(os.environ.get("DISCOUNT_TWO_PERSON_ABOVE_AMOUNTS", ""))
TAX_OFF_TWO_PERSON_ABOVE = int(os.environ.get("TAX_OFF_TWO_PERSON_ABOVE", 0))
TAX_CUT_TWO_PERSON_ABOVE_POINTS = Decimal(os.environ.get("TAX_CUT_TWO_PERSON_ABOVE_POINTS", "3"))
CHANGE_REQUEST_DAYS = int(os.environ.get("CHANGE_REQUEST_DAYS", 14))

# Credentials of payment providers are encrypted under the first of these; the others still read (decision page).
CREDENTIALS_KEYS = [key for key in os.environ.get("CREDENTIALS_KEY", "").split(",") if key]
# Networks of our own that webhooks may go to (10.1.0.0/16, say), with commas between them; or, with 1, any at all.
WEBHOOK_ALLOWED_NETWORKS = read_networks(os.environ.get("WEBHOOK_ALLOWED_NETWORKS", ""))
WEBHOOK_ALLOW_PRIVATE = os.environ.get("WEBHOOK_ALLOW_PRIVATE") == "1"
# So many days after an event was told it is forgotten, with what became of its webhooks; 0: never.
NOTICE_RETENTION_DAYS = int(os.environ.get("NOTICE_RETENTION_DAYS", 90))
# "test" or "live": keys of the other kind are refused, also where a copy of the database brings them along.
STRIPE_MODE = os.environ.get("STRIPE_MODE", "test")
# Where Stripe's API is; empty: at Stripe.
STRIPE_API_BASE = os.environ.get("STRIPE_API_BASE", "")

# Larger request bodies are refused. An event is a few hundred bytes, so this takes a batch of thousands.
API_MAX_BODY_BYTES = int(os.environ.get("API_MAX_BODY_BYTES", 8 * 1024 * 1024))
DATA_UPLOAD_MAX_MEMORY_SIZE = API_MAX_BODY_BYTES
# How far ahead of now the time of a usage event may lie, for clocks that are fast, and for how many whole months events
# are kept (empty or 0: for good). Older ones are refused.
USAGE_AHEAD_DAYS = int(os.environ.get("USAGE_AHEAD_DAYS", 1))
USAGE_RETENTION_MONTHS = int(os.environ.get("USAGE_RETENTION_MONTHS") or 0)
# A list is read as far as this row: OFFSET walks past all that come before.
API_LIST_DEPTH = int(os.environ.get("API_LIST_DEPTH", 1_000_000))
# How long a web process goes on believing what it read of an API key: a revoked one lives so long at most.
API_KEY_MEMORY_SECONDS = 0.5
# Requests that one API key may make, for example "6000/min"; None: any number.
API_RATE_LIMIT: str | None = os.environ.get("API_RATE_LIMIT", "6000/min") or None

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "admin/locked_out.html"
AXES_ENABLE_ADMIN = False  # the finance desk has its own page of locked log-ins
