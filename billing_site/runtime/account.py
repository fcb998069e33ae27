"""Who PostgreSQL and Redis run as, and whether that user can reach the data folder.

PostgreSQL refuses to run as root. Started by root, both run as an unprivileged user instead.
"""

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from billing_site.runtime.errors import RuntimeProblem
from billing_site.runtime.layout import Layout


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this system by name and numbers."""

    name: str
    uid: int
    gid: int


def service_account(layout: Layout) -> Account | None:
    """The user for PostgreSQL and Redis: None means "as we are", an account means "as this one" (we are root)."""
    owner = layout.postgres.stat().st_uid if layout.postgres.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise RuntimeProblem(
                f"The database in {layout.data} belongs to {_name(owner)}, and you are {_name(os.geteuid())}. "
                "Nothing was changed. Start it as the user who made it, or choose another folder with BILLING_DATA_DIR."
            )
        return None
    # A cluster stays with the user who made it, even if a better candidate appears on the system later.
    candidates = [owner] if owner else []
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            candidates.append(pwd.getpwnam(name).pw_uid)
    if not candidates:
        raise RuntimeProblem(
            "PostgreSQL can't run as root, and this system has neither a user postgres nor a user nobody to run it as. "
            "Nothing was changed. Start it as an ordinary user, or set DATABASE_URL."
        )
    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(candidates[0])
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return Account(str(candidates[0]), candidates[0], layout.postgres.stat().st_gid)


def prepare_data_folder(layout: Layout) -> Account | None:
    """Make the data folder if it is missing and answer who the services run as.

    Folders made here get their modes from us; the mode of a folder that exists is never changed. Raises
    `RuntimeProblem` when the services' user can't reach the folder.
    """
    root = os.geteuid() == 0
    missing = [folder for folder in (layout.data, *layout.data.parents) if not folder.exists()]
    # Checked on what exists before anything is made, so that a refusal leaves no empty folder behind.
    account = service_account(layout)
    if account:
        refuse_unreachable(layout.data, account)
    try:
        for folder in reversed(missing):
            folder.mkdir()
            folder.chmod(0o755 if root else 0o700)
        for folder in (layout.logs, layout.beat):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RuntimeProblem(
            f"The data folder {layout.data} can't be used: {error}. "
            "Choose a folder that you may write to with BILLING_DATA_DIR."
        ) from error
    return account


def refuse_unreachable(path: Path, account: Account) -> None:
    """Raise when `account` can't enter one of the folders down to `path`; folders yet to be made don't count."""
    for folder in _existing_chain(path):
        if not can_enter(folder, account):
            mode = stat.filemode(folder.stat().st_mode)
            raise RuntimeProblem(
                f"PostgreSQL can't run as root, so it runs as the user {account.name}, "
                f"and {account.name} can't enter {folder} ({mode}). Nothing was changed. "
                f"Choose a data folder that it can reach, for example "
                f"BILLING_DATA_DIR=/var/lib/countinghouse, or open the folder yourself: chmod o+x {folder}"
            )


def can_enter(folder: Path, account: Account) -> bool:
    """Whether `account` may enter `folder`, tried in a process that has become that user (so that ACLs count)."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([account.gid])
            os.setgid(account.gid)
            os.setuid(account.uid)
            status = 0 if os.access(folder, os.X_OK) else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def own_folder(folder: Path, account: Account | None) -> None:
    """Make `folder` if it is missing: mode 0700, owned by the services' user."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if account:
            os.chown(folder, account.uid, account.gid)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != (account.uid if account else os.geteuid()):
        raise RuntimeProblem(
            f"{folder} belongs to {_name(found.st_uid)}, not to {account.name if account else 'you'}. "
            "Nothing was changed. Remove it, or choose another data folder with BILLING_DATA_DIR."
        )


def _existing_chain(path: Path) -> Iterator[Path]:
    yield from (folder for folder in (*reversed(path.parents), path) if folder.exists())


def _name(uid: int | None) -> str:
    if uid is None:
        return "nobody in particular"
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"
