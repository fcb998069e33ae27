"""How keys are made and recognized. Pure but for the random source."""

import hashlib
import secrets

_MARK = "ch_"


def new_token() -> str:
    """A fresh key of 256 random bits, recognizable by its start."""
    return _MARK + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is stored of a key: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def prefix_of(token: str) -> str:
    """The start that may be shown: eight characters, fewer of a short key, so that it can't be guessed from them."""
    return token[: min(8, len(token) // 4)]
