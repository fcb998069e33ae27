"""Identifiers: ULIDs, kept as `uuid.UUID` inside and in the database, shown as 26 characters at the edges."""

import uuid

from ulid import ULID

_TEXT_LENGTH = 26


def new_id() -> uuid.UUID:
    """A fresh id. Ids made later sort later, to the millisecond."""
    return ULID().to_uuid()


def to_text(value: uuid.UUID) -> str:
    """The 26-character form for the API and the admin."""
    return str(ULID.from_uuid(value))


def from_text(text: str) -> uuid.UUID | None:
    """The id that `text` spells (26 characters, either case), or None when it spells none."""
    if len(text) != _TEXT_LENGTH:
        return None
    try:
        return ULID.from_str(text.upper()).to_uuid()
    except ValueError:
        return None
