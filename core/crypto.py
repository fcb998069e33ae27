"""Owns the encryption of credentials at rest: what is stored is read only with a key that is not in the database."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from core.errors import PreconditionFailed

_PURPOSE = b"countinghouse: credentials at rest"


class CredentialUnreadable(PreconditionFailed):
    """A stored credential was encrypted with a key that this site no longer has."""

    default_code = "credential_unreadable"


def encrypt(text: str) -> str:
    """`text` as a token that only `decrypt` reads, under the first of the site's keys."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text behind `token`. CredentialUnreadable when none of the site's keys fits."""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise CredentialUnreadable(
            "A stored credential can't be read with the keys of this site. Give CREDENTIALS_KEY (or SECRET_KEY) its "
            "former value as well, or enter the credential again."
        ) from None


def _fernet() -> MultiFernet:
    """Newest key first: `CREDENTIALS_KEY` (several, with commas between them), else what Django signs with."""
    signing = [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]
    return MultiFernet([Fernet(_derived(key)) for key in settings.CREDENTIALS_KEYS or signing])


def _derived(secret: str) -> bytes:
    """32 bytes for this purpose alone, so that the secret's other uses tell nothing about it."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return base64.urlsafe_b64encode(key)
