"""Signs webhooks by the Standard Webhooks scheme (https://www.standardwebhooks.com). Pure."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST, _OURS = 24, 64, 32  # bytes, as the scheme recommends


def new_secret() -> str:
    """A fresh signing secret: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_OURS)).decode()


def is_secret(text: str) -> bool:
    """Whether it is a secret of the scheme: `whsec_` and 24 to 64 bytes in base64."""
    try:
        return text.startswith(PREFIX) and _SHORTEST <= len(_key(text)) <= _LONGEST
    except (binascii.Error, ValueError):
        return False


def signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`: version 1, HMAC-SHA256 over id, time in seconds and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
