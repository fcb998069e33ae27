"""Owns how long a process believes what it read of an API key, so that not every request asks the database."""

import time
from typing import NamedTuple

from django.conf import settings

from billing_site.access.models import ApiKey
from billing_site.access.secrets import digest_of

_MOST = 10_000


class _Known(NamedTuple):
    key: ApiKey
    until: float


_known: dict[str, _Known] = {}


def find_key(token: str) -> ApiKey | None:
    """The stored key that `token` is, usable or not; None where there is none.

    What was found is believed for `API_KEY_MEMORY_SECONDS` (under a second: so long does a key that was revoked
    elsewhere live on). What was not found is asked again each time, so that nobody fills the memory with guesses.
    """
    digest = digest_of(token)
    known = _known.get(digest)
    if known is not None and time.monotonic() < known.until:
        return known.key
    asked = time.monotonic()  # before the query: the belief counts from what the database said
    key = ApiKey.objects.filter(digest=digest).first()
    if key is None:
        _known.pop(digest, None)
    elif settings.API_KEY_MEMORY_SECONDS:
        if len(_known) >= _MOST:
            _known.clear()
        _known[digest] = _Known(key, asked + settings.API_KEY_MEMORY_SECONDS)
    return key


def forget_keys() -> None:
    """Ask the database again at the next request of this process."""
    _known.clear()
