"""Adding, changing and deleting channels. What is secret about one is stored encrypted and in no audit entry."""

import json
import re
from collections.abc import Mapping

from django.conf import settings
from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.crypto import encrypt
from core.errors import FieldProblem
from core.notifications.addresses import literal, may_reach, read_url
from core.notifications.errors import BadChannel
from core.notifications.models import Channel
from core.notifications.services.deliver_webhooks import custom_headers
from core.notifications.signing import is_secret, new_secret

KEPT = "********"
"""In place of a header's value: the one that is stored. It is also how values are shown."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e]{0,4096}", re.ASCII)
_MOST_HEADERS = 20
_OURS = re.compile(
    r"host|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|webhook-.*|user-agent",
    re.I,
)


@transaction.atomic
def create_channel(
    *,
    name: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    signing_secret: str | None = None,
    disabled: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> tuple[Channel, str]:
    """Store a new channel; the second value is its signing secret, drawn where none is given: it is shown this once.

    Raises `BadChannel` for an address that webhooks may not be sent to, a header that is ours to set, and a secret that
    is none of the scheme.
    """
    _refuse([*_url_problems(url), *_header_problems(headers or {}), *_secret_problems(signing_secret)])
    secret = signing_secret or new_secret()
    channel = Channel.objects.create(
        name=name,
        url=url,
        headers=_sealed(headers or {}),
        secret=encrypt(secret),
        disabled=disabled,
        metadata=dict(metadata or {}),
    )
    record(verb="channel.created", target=channel, did=f"created the webhook channel {channel} to {url}")
    return channel, secret


@transaction.atomic
def update_channel(
    *,
    channel: Channel,
    name: str,
    url: str,
    headers: Mapping[str, str],
    signing_secret: str | None = None,
    disabled: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Channel:
    """Replace what a channel says. Its secret stays where none is given, and so does a header's value that is given as
    it is shown (`KEPT`). To another address, and enabled again, its breaker starts anew. Nothing changed: nothing is
    written.

    Raises `BadChannel` as above, and for `KEPT` in a header that the channel does not have, or at another server: who
    may change the address must not learn by it what is stored.
    """
    channel = Channel.objects.select_for_update().get(pk=channel.pk)
    former = custom_headers(channel)
    kept = former if _server_of(url) == _server_of(channel.url) else {}
    wanted = {key: kept.get(key, value) if value == KEPT else value for key, value in headers.items()}
    _refuse([*_url_problems(url), *_header_problems(wanted), *_secret_problems(signing_secret)])
    values = {"name": name, "url": url, "disabled": disabled, "metadata": dict(metadata or {})}
    changes = {key: [getattr(channel, key), value] for key, value in values.items() if getattr(channel, key) != value}
    if "url" in changes or ("disabled" in changes and not disabled):
        values |= {"failures": 0, "openings": 0, "open_until": None, "probe_until": None}
    if wanted != former:
        changes["headers"] = [sorted(former), sorted(wanted)]
        values["headers"] = _sealed(wanted)
    if signing_secret is not None:
        changes["signing_secret"] = [None, "replaced"]
        values["secret"] = encrypt(signing_secret)
    if not changes:
        return channel
    for key, value in values.items():
        setattr(channel, key, value)
    channel.save(update_fields=[*values, "updated_at"])
    said = ", ".join(sorted(changes)).replace("_", " ")
    record(
        verb="channel.changed", target=channel, did=f"changed the webhook channel {channel}: {said}", changes=changes
    )
    return channel


@transaction.atomic
def rotate_secret(*, channel: Channel) -> str:
    """Replace a channel's signing secret by a fresh one, which is returned this once. What waits to be sent is signed
    with the new one."""
    channel = Channel.objects.select_for_update().get(pk=channel.pk)
    secret = new_secret()
    channel.secret = encrypt(secret)
    channel.save(update_fields=["secret", "updated_at"])
    record(verb="channel.secret_rotated", target=channel, did=f"replaced the signing secret of the channel {channel}")
    return secret


@transaction.atomic
def delete_channel(*, channel: Channel) -> None:
    """Delete a channel: what waits for it is given up, its rules go on without it. Again: nothing happens."""
    channel = Channel.objects.select_for_update().get(pk=channel.pk)
    if channel.deleted_at is None:
        channel.deleted_at = clock.now()
        channel.save(update_fields=["deleted_at", "updated_at"])
        record(verb="channel.deleted", target=channel, did=f"deleted the webhook channel {channel}")


def _server_of(url: str) -> tuple[str, str, int] | None:
    try:
        target = read_url(url)
    except ValueError:
        return None
    return target.scheme, target.host, target.port


def _sealed(headers: Mapping[str, str]) -> str:
    return encrypt(json.dumps(dict(headers))) if headers else ""


def _url_problems(url: str) -> list[FieldProblem]:
    try:
        target = read_url(url)
    except ValueError as error:
        return [FieldProblem("url", "bad_url", str(error))]
    address = literal(target.host)
    if address is None or settings.WEBHOOK_ALLOW_PRIVATE or may_reach(address, settings.WEBHOOK_ALLOWED_NETWORKS):
        return []
    return [
        FieldProblem("url", "private_address", f"Webhooks may not be sent to {target.host}: it is no public address.")
    ]


def _header_problems(headers: Mapping[str, str]) -> list[FieldProblem]:
    problems = []
    if len(headers) > _MOST_HEADERS:
        problems.append(FieldProblem("customHeaders", "too_many", f"At most {_MOST_HEADERS} headers can be given."))
    if len({name.lower() for name in headers}) < len(headers):
        problems.append(FieldProblem("customHeaders", "repeated", "Give each header once: case makes no difference."))
    for name, value in headers.items():
        field = f"customHeaders.{name[:64]}"
        if not _TOKEN.fullmatch(name):
            problems.append(FieldProblem(field, "bad_name", "That is no name of a header."))
        elif _OURS.fullmatch(name):
            problems.append(FieldProblem(field, "reserved", f"{name} is set by us."))
        elif value == KEPT:
            problems.append(
                FieldProblem(field, "required", "Give its value: none is stored under this name for this server.")
            )
        elif not _VALUE.fullmatch(value):
            problems.append(FieldProblem(field, "bad_value", "Use printable ASCII characters, 4,096 at most."))
    return problems


def _secret_problems(secret: str | None) -> list[FieldProblem]:
    if secret is None or is_secret(secret):
        return []
    message = "Give whsec_ and 24 to 64 bytes in base64, or leave it out: then one is drawn."
    return [FieldProblem("signingSecret", "bad_secret", message)]


def _refuse(problems: list[FieldProblem]) -> None:
    if problems:
        said = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise BadChannel(f"The channel was not saved. {said}", problems=problems)
