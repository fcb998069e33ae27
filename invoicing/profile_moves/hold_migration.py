"""Holds a profile migration for a transaction: alone to change its state, together with others to move customers."""

import uuid

from core.locks import pass_gate
from invoicing.models import ProfileMigration


def hold_migration(migration_id: uuid.UUID) -> ProfileMigration:
    """The migration, for the caller alone until the transaction ends: batches that are under way end first."""
    pass_gate(migration_id, alone=True)
    return ProfileMigration.objects.select_for_update(of=("self",)).get(pk=migration_id)


def share_migration(migration_id: uuid.UUID) -> ProfileMigration:
    """The migration, whose state stays as it is until the transaction ends; any number of workers share it."""
    pass_gate(migration_id, alone=False)
    rows = ProfileMigration.objects.raw(
        "SELECT * FROM invoicing_profilemigration WHERE id = %s FOR SHARE", [migration_id]
    )
    return rows[0]
