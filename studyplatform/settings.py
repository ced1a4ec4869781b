"""Settings: everything that differs between installations comes from the environment.

`make run` sets `STUDYPLATFORM_LOCAL=1`: loopback only, no TLS. Everywhere else the safe values below are enforced.
"""

from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

env = environ.Env()
ROOT = Path(__file__).resolve().parent.parent
LOCAL = env.bool("STUDYPLATFORM_LOCAL", default=False)
DEBUG = False
DATA_DIR = Path(env.str("STUDYPLATFORM_DATA_DIR", default=str(ROOT / ".data")))
VERSION = "0.1.0"

# Secrets. There are no defaults: a deployment that forgot one must not start.
SECRET_KEY = env.str("DJANGO_SECRET_KEY")
ALLOCATION_KEY = env.str("STUDYPLATFORM_ALLOCATION_KEY")  # base64 of 32 bytes; encrypts allocation slots and seeds
# Base64 of 32 bytes; encrypts names and contacts. An installation that keeps none needs none.
IDENTIFIER_KEY = env.str("STUDYPLATFORM_IDENTIFIER_KEY", default="")
if IDENTIFIER_KEY and IDENTIFIER_KEY.strip() == ALLOCATION_KEY.strip():
    raise ImproperlyConfigured(
        "STUDYPLATFORM_IDENTIFIER_KEY is the same as STUDYPLATFORM_ALLOCATION_KEY. Each is kept and destroyed without "
        "the other: make another with `openssl rand -base64 32`."
    )

ALLOWED_HOSTS = env.list("STUDYPLATFORM_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if LOCAL else [])
BIND = env.str("STUDYPLATFORM_BIND", default="127.0.0.1")
if LOCAL and BIND not in {"127.0.0.1", "localhost", "::1"}:
    raise ImproperlyConfigured(
        f"STUDYPLATFORM_LOCAL=1 switches TLS and secure cookies off and works on loopback only, not on {BIND}. "
        "Unset STUDYPLATFORM_LOCAL, or bind to 127.0.0.1."
    )

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "trials",
    "measurements",
    "analytics",
    "studyplatform",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studyplatform.errors.UnavailableMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "studyplatform.second_factor.SecondFactorMiddleware",
    "trials.api.throttling.AnswerHeadersMiddleware",
    "studyplatform.errors.RuleBrokenMiddleware",
]

ROOT_URLCONF = "studyplatform.urls"
WSGI_APPLICATION = "studyplatform.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "studyplatform.context.rights",
            ],
        },
    }
]

# The application's database role owns nothing. Migrations run as the owner: `DATABASE_URL=$DATABASE_OWNER_URL migrate`.
DATABASES = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"] |= {
    "CONN_MAX_AGE": env.int("STUDYPLATFORM_CONN_MAX_AGE", default=60),
    "CONN_HEALTH_CHECKS": True,
    "ATOMIC_REQUESTS": False,
}
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"] |= {"options": "-c lock_timeout=5000 -c statement_timeout=120000", "connect_timeout": 5}
APPLICATION_ROLE = env.str("STUDYPLATFORM_APPLICATION_ROLE", default="studyplatform_app")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")

AUTH_USER_MODEL = "trials.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_ADAPTER = "studyplatform.accounts.InvitationOnlyAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_RATE_LIMITS = {"login_failed": "5/15m/key,50/15m/ip"}
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a changed password or second factor is told to its owner
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]

# Every message is stored first (PostgreSQL is the queue). Without EMAIL_URL it stays in the outbox.
EMAIL_BACKEND = "studyplatform.mail.OutboxBackend"
EMAIL_URL = env.str("EMAIL_URL", default="")
_mail_server = env.email_url_config(EMAIL_URL or "dummymail://")
MAIL_SERVER_BACKEND = _mail_server["EMAIL_BACKEND"] if EMAIL_URL else ""
EMAIL_HOST, EMAIL_PORT = _mail_server["EMAIL_HOST"], _mail_server["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail_server["EMAIL_HOST_USER"], _mail_server["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail_server.get("EMAIL_USE_TLS", False), _mail_server.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 5  # seconds
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("STUDYPLATFORM_MAIL_FROM", default="Study platform <no-reply@localhost>")

# Failed sign-ins are counted here; PostgreSQL and not Redis, so that an empty Redis forgets no lock.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "studyplatform_cache"},
}

SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL
CSRF_TRUSTED_ORIGINS = env.list("STUDYPLATFORM_ORIGINS", default=[])
SECURE_SSL_REDIRECT = not LOCAL
SECURE_HSTS_SECONDS = 0 if LOCAL else 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not LOCAL
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
if env.bool("STUDYPLATFORM_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", _("English"))]
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [ROOT / "studyplatform" / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
WHITENOISE_USE_FINDERS = True  # no build step: files are served from where they live, with their hash as ETag
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000  # a grid of batch entry has a field for each value: 100 rows of 30
DATA_UPLOAD_MAX_MEMORY_SIZE = 11 * 1024 * 1024  # the API answers 413 at 10 MB itself, in its own words

# What one token may send; 0 is no limit. A bucket of this size fills again evenly over the time.
REQUESTS_A_MINUTE = env.int("STUDYPLATFORM_REQUESTS_A_MINUTE", default=3000)
ROWS_AN_HOUR = env.int("STUDYPLATFORM_ROWS_AN_HOUR", default=2_000_000)
SANDBOX_REQUESTS_A_MINUTE = env.int("STUDYPLATFORM_SANDBOX_REQUESTS_A_MINUTE", default=600)
SANDBOX_ROWS_AN_HOUR = env.int("STUDYPLATFORM_SANDBOX_ROWS_AN_HOUR", default=100_000)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "trials.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "measurements.api.sandbox.SandboxIsReady",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["trials.api.throttling.TokenThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["trials.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "trials.api.pagination.ByCursor",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "studyplatform.errors.problem_answer",
    "PAGE_SIZE": 100,
    "COERCE_DECIMAL_TO_STRING": True,
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Study platform",
    "DESCRIPTION": (
        "Post results, follow what is awaited, read estimates.\n\n"
        "- [Quick start](/api/v1/docs/lab-quick-start.md): from nothing to a recorded delivery in ten minutes\n"
        "- [client.py](/api/v1/client.py): a client for Python in one file, nothing to install\n"
        "- [Sandbox and limits](/api/v1/docs/laboratories.md): made-up participants, and how much may be sent\n"
        "- [Row codes](/api/v1/docs/row-codes.md): what the answer says about rows\n"
        "- [Webhooks](/api/v1/docs/webhooks.md): be told when something happened"
    ),
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "trials.api.described.describe_limits",
    ],
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_DEFAULT_QUEUE = env.str("STUDYPLATFORM_QUEUE", default="studyplatform")  # installations may share a broker
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A broker that is frozen rather than dead would otherwise hold the dispatcher for ever.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "retry_policy": {"max_retries": 0},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "studyplatform.logs.WithoutKeys", "fmt": "{asctime} {levelname} {name} {message}", "style": "{"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("STUDYPLATFORM_LOG_LEVEL", default="INFO")},
}
