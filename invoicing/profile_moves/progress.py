"""How a profile migration stands: its counts, its causes, the four steps of a safe move. For REST and pages alike."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Q

from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict, RunStatus, ShardKind
from invoicing.models import MigrationItem, MigrationShard, ProfileMigration
from invoicing.profile_moves.causes import CauseCode
from invoicing.profile_moves.cohort import unpinned_customers

_OVER = (MoveOutcome.MOVED, MoveOutcome.FAILED, MoveOutcome.TAKEN_BACK, MoveOutcome.CANCELLED)

# So many customers are named for each cause.
SAMPLE = 5


@dataclass(frozen=True, slots=True)
class MigrationProgress:
    """How many customers of a migration were found how, and what came of them. Zero counts are left out."""

    verdicts: Mapping[str, int]
    outcomes: Mapping[str, int]
    total: int
    is_checking: bool
    pinning: "Pinning | None" = None
    # Who could not be pinned when it was last asked for, and why.
    left_out: "Sequence[str]" = ()

    @property
    def to_move(self) -> int:
        """All but those whom the approval left out, because they were blocked."""
        return self.total - self.outcomes.get(MoveOutcome.BLOCKED, 0)

    @property
    def done(self) -> int:
        """Those of them whose turn has come, whatever came of it."""
        return sum(self.outcomes.get(outcome, 0) for outcome in _OVER)

    @property
    def percent(self) -> int:
        return self.done * 100 // self.to_move if self.to_move else 0

    @property
    def failed(self) -> int:
        """Those who failed: their turn has come, and they were not moved."""
        return self.outcomes.get(MoveOutcome.FAILED, 0)

    @property
    def waiting(self) -> int:
        """Those who are still to be moved."""
        return self.to_move - self.done

    @property
    def movable(self) -> int:
        """Those whom the check did not block."""
        return self.verdicts.get(MoveVerdict.READY, 0) + self.verdicts.get(MoveVerdict.WARNING, 0)


@dataclass(frozen=True, slots=True)
class Pinning:
    """Workers pin who follows the old default: `done` of the `total` that there were when it was asked for."""

    done: int
    total: int

    @property
    def left(self) -> int:
        return max(0, self.total - self.done)


@dataclass(frozen=True, slots=True)
class CauseCount:
    """A cause, how many customers it was found at, and the first of them."""

    code: str
    label: str
    severity: str
    count: int
    sample: tuple[tuple[uuid.UUID, str], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One of the four steps. `left` counts what is still to do in it; `needed` is False where it does not apply."""

    name: str
    is_done: bool
    left: int
    needed: bool = True


def progress_of(migrations: Sequence[ProfileMigration]) -> dict[uuid.UUID, MigrationProgress]:
    """The progress of each migration. Two queries for all of them."""
    verdicts: dict[uuid.UUID, dict[str, int]] = {migration.pk: {} for migration in migrations}
    outcomes: dict[uuid.UUID, dict[str, int]] = {migration.pk: {} for migration in migrations}
    rows = MigrationItem.objects.filter(migration__in=list(verdicts)).order_by()
    for key, verdict, outcome, count in rows.values_list("migration_id", "verdict", "outcome").annotate(n=Count("pk")):
        verdicts[key][verdict] = verdicts[key].get(verdict, 0) + count
        outcomes[key][outcome] = outcomes[key].get(outcome, 0) + count
    shards = MigrationShard.objects.filter(migration__in=list(verdicts)).exclude(kind=ShardKind.MOVE)
    under_way = Q(status__in=[RunStatus.PENDING, RunStatus.RUNNING]) | Q(kind=ShardKind.PIN)
    left_out: dict[uuid.UUID, Sequence[str]] = {}
    checking: set[uuid.UUID] = set()
    pinning: dict[uuid.UUID, Pinning] = {}
    for key, kind, status, done, total, left in (
        shards.filter(under_way)
        .order_by("id")
        .values_list("migration_id", "kind", "status", "done", "total", "left_out")
    ):
        if kind == ShardKind.CHECK:
            checking.add(key)
            continue
        left_out[key] = [f"{entry['name']}: {entry['message']}" for entry in left]
        if status != RunStatus.DONE:
            pinning[key] = Pinning(done, total)
    return {
        migration.pk: MigrationProgress(
            verdicts[migration.pk],
            outcomes[migration.pk],
            migration.customer_count,
            migration.pk in checking,
            pinning.get(migration.pk),
            left_out.get(migration.pk, ()),
        )
        for migration in migrations
    }


def causes_in(migration: ProfileMigration) -> list[CauseCount]:
    """Every cause that the latest look found, the most frequent first, each with its first customers. One query."""
    sql = """
        SELECT cause->>'code', cause->>'severity', count(*),
               (array_agg(item.customer_id ORDER BY item.id))[1:%s], (array_agg(customer.name ORDER BY item.id))[1:%s]
        FROM invoicing_migrationitem item
        JOIN customers_customer customer ON customer.id = item.customer_id
        CROSS JOIN LATERAL jsonb_array_elements(item.causes) AS cause
        WHERE item.migration_id = %s GROUP BY 1, 2 ORDER BY 3 DESC, 1
    """
    labels: dict[str, str] = {code.value: str(code.label) for code in CauseCode}
    with connection.cursor() as cursor:
        cursor.execute(sql, [SAMPLE, SAMPLE, migration.pk])
        return [
            CauseCount(code, labels.get(code, code), severity, count, tuple(zip(ids, names, strict=True)))
            for code, severity, count, ids, names in cursor.fetchall()
        ]


def steps_of(
    migration: ProfileMigration, progress: MigrationProgress, *, unpinned: int | None = None
) -> tuple[Step, ...]:
    """The four steps of a safe move (billing rules 5), and how far each is. At most one query.

    Pinning and switching are needed only where the source is the default. Who follows it is counted, which reads every
    customer, unless the caller knows (`unpinned`) or the workers who pin them do.
    """
    source, target = migration.from_profile, migration.to_profile
    default = source.is_default
    if not default:
        unpinned = 0
    elif progress.pinning is not None:
        unpinned = progress.pinning.left
    elif unpinned is None:
        unpinned = unpinned_customers().count()
    over = migration.status == MigrationStatus.DONE and not progress.failed
    return (
        Step("create_target", is_done=target.archived_at is None, left=0 if target.archived_at is None else 1),
        Step(
            "pin_unpinned",
            is_done=not unpinned and progress.pinning is None,
            left=unpinned,
            needed=default or target.is_default,
        ),
        Step("switch_default", is_done=not default, left=int(default), needed=default or target.is_default),
        Step("move_customers", is_done=over, left=progress.waiting + progress.failed),
    )
