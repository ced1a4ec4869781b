"""Signs of health for load balancers and people. No sign-in; nothing about any trial."""

import logging
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics.selectors.heartbeats import heartbeat_ages
from analytics.selectors.work import oldest_stale_seconds
from analytics.services.heartbeats import DISPATCHER, WORKER

log = logging.getLogger(__name__)

BROKER_SECONDS = 0.2
STALE_LIMIT_SECONDS = 10.0
SILENT_AFTER = timedelta(seconds=30)


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def version(request: HttpRequest) -> JsonResponse:
    """Which software this is."""
    return JsonResponse({"version": settings.VERSION})


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether requests can be served: 503 without the database, 200 and `degraded` where only speed is lost."""
    try:
        body = _state()
    except (OperationalError, InterfaceError):
        log.exception("the database does not answer")
        return JsonResponse({"status": "unavailable", "database": "away"}, status=503, headers={"Retry-After": "5"})
    return JsonResponse(body)


def _state() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    ages, waiting = heartbeat_ages(), oldest_stale_seconds()
    parts = {
        "database": "ok",
        "broker": _broker(),
        **{process: _sign_of_life(ages.get(process)) for process in (DISPATCHER, WORKER)},
    }
    sound = all(state == "ok" for state in parts.values()) and waiting < STALE_LIMIT_SECONDS
    return {"status": "ok" if sound else "degraded", **parts, "oldest_stale_seconds": round(waiting, 3)}


def _broker() -> str:
    """Return `ok`, or `away`: no request needs the broker, the dispatcher works without it."""
    try:
        # Celery says `redis+socket://` for what the client library calls `unix://`.
        address = settings.REDIS_URL.replace("redis+socket://", "unix://")
        client = redis.Redis.from_url(
            address, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS, retry=None
        )
        with client:
            client.ping()
    except (redis.RedisError, OSError, ValueError):
        return "away"
    return "ok"


def _sign_of_life(age: timedelta | None) -> str:
    if age is None:
        return "not seen"
    return "ok" if age < SILENT_AFTER else "silent"
