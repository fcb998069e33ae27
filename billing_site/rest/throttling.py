"""How many requests a key may make."""

import re
import time
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from redis import Redis
from redis.commands.core import Script
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from billing_site.access.models import ApiKey

# Counts and lets the count end by itself, in one round trip: a crash between the two would keep it for good.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""
_SECONDS = {"s": 1, "min": 60, "h": 3600}


class PerKeyThrottle(BaseThrottle):
    """`API_RATE_LIMIT` requests a key, for example "6000/min", in fixed windows; None: no limit."""

    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        limit = settings.API_RATE_LIMIT
        if not limit or not isinstance(request.auth, ApiKey):
            return True
        count, seconds = parse_rate(limit)
        now = time.time()
        window = int(now // seconds)
        self._wait = (window + 1) * seconds - now
        asked: int = _counter(settings.REDIS_URL)(keys=[f"api-rate:{request.auth.pk}:{window}"], args=[seconds * 2])
        return asked <= count

    def wait(self) -> float:
        return self._wait


@cache
def _counter(redis_url: str) -> Script:
    return Redis.from_url(redis_url).register_script(_COUNT)


def parse_rate(text: str) -> tuple[int, int]:
    """`"6000/min"` -> 6000 requests in 60 seconds."""
    match = re.fullmatch(r"(\d+)/(s|min|h)", text)
    if not match:
        raise ImproperlyConfigured(f"API_RATE_LIMIT {text!r} is not like 6000/min, 100/s or 50000/h.")
    return int(match[1]), _SECONDS[match[2]]
