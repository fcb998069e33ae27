"""Profile migrations: which customers are to move from one billing profile to another, and what came of each."""

from django.db import models
from django.db.models import F, Q

from core import clock
from core.db import Record, ULIDField
from core.ids import new_id
from customers.models import BillingProfile, Customer
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict, RunStatus, ShardKind


class ProfileMigration(Record):
    """The job of a move (billing rules 5): draft, checked, approved, running, done; paused or cancelled on the way.

    `criteria` narrows the customers of the source profile, by the wire names of the filters of `billing/customers`.
    Author and approver are the persons behind (`Actor.person`), `kind` and id: above a threshold they must differ.
    `approved_alone` where they are the same and one person's limits hold for what it does, also when it runs.
    """

    from_profile = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, related_name="migrations_from")
    to_profile = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, related_name="migrations_to")
    criteria = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=16, choices=MigrationStatus.choices, default=MigrationStatus.DRAFT)
    customer_count = models.PositiveIntegerField(default=0)
    author = models.CharField(max_length=96)
    author_name = models.CharField(max_length=200)
    approver = models.CharField(max_length=96, blank=True)
    approver_name = models.CharField(max_length=200, blank=True)
    approval_reason = models.TextField(blank=True)
    approved_alone = models.BooleanField(default=False, db_default=False, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [
            ("check_profilemigration", "Can have the customers of profile migrations checked"),
            ("pin_unpinned_profilemigration", "Can pin everybody who follows the default"),
            ("approve_profilemigration", "Can approve profile migrations"),
            ("run_profilemigration", "Can run and resume profile migrations"),
            ("pause_profilemigration", "Can pause profile migrations"),
            ("cancel_profilemigration", "Can cancel profile migrations"),
            ("retry_profilemigration", "Can try customers of profile migrations again"),
            ("take_back_profilemigration", "Can take customers of profile migrations back"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(from_profile=F("to_profile")), name="migration_leads_elsewhere"),
        ]

    def __str__(self) -> str:
        return f"Move from “{self.from_profile}” to “{self.to_profile}”"

    @property
    def in_words(self) -> str:
        """As it stands in a sentence."""
        return f"the move from “{self.from_profile}” to “{self.to_profile}”"


class MigrationShard(models.Model):
    """A slice of a migration's customers to check or to move, which one worker takes at a time.

    Or, of the kind `pin`, everybody who follows the old default: `total` were to be pinned when somebody asked for it
    (`asked`: the actor and their reason), `done` are, and `left_out` could not be:
    `[{"customer", "name", "code", "message"}]`. What says how its workers fared is as in a run's shard.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    migration = models.ForeignKey(ProfileMigration, on_delete=models.CASCADE, related_name="shards")
    kind = models.CharField(max_length=8, choices=ShardKind.choices)
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.PENDING)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lost = models.PositiveIntegerField(default=0, db_default=0)
    failed = models.PositiveIntegerField(default=0, db_default=0)
    alone_with = models.UUIDField(null=True, blank=True)
    alone_tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    alone_failed = models.PositiveSmallIntegerField(default=0, db_default=0)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    asked = models.JSONField(default=dict, blank=True)
    left_out = models.JSONField(default=list, db_default=[], blank=True)

    class Meta:
        ordering = ["migration", "id"]
        indexes = [models.Index(fields=["lease_until"], name="migration_shard_unfinished", condition=~Q(status="done"))]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} shard of {self.migration}"


class MigrationItem(models.Model):
    """One customer of a migration: how the check found them, and what came of the move.

    `causes` are those of the latest look: `[{"code", "severity", "message", "links"}]`. `pinned_before` is what a
    take-back restores; null where the customer followed the default.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    migration = models.ForeignKey(ProfileMigration, on_delete=models.CASCADE, related_name="items")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="migration_items")
    shard = models.ForeignKey(MigrationShard, on_delete=models.SET_NULL, null=True, blank=True, related_name="items")
    verdict = models.CharField(max_length=16, choices=MoveVerdict.choices, default=MoveVerdict.UNCHECKED)
    outcome = models.CharField(max_length=16, choices=MoveOutcome.choices, default=MoveOutcome.PENDING)
    causes = models.JSONField(default=list, blank=True)
    pinned_before = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    tries = models.PositiveSmallIntegerField(default=0)
    moved_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["migration", "id"]
        verbose_name = "customer in a migration"
        verbose_name_plural = "customers in migrations"
        constraints = [
            models.UniqueConstraint(fields=["migration", "customer"], name="customer_once_per_migration"),
            models.CheckConstraint(
                condition=~Q(outcome="moved") | Q(moved_at__isnull=False), name="moved_item_says_when"
            ),
        ]
        indexes = [
            models.Index(fields=["migration", "outcome", "id"], name="migration_item_outcome"),
            models.Index(fields=["migration", "verdict"], name="migration_item_verdict"),
            models.Index(fields=["shard"], name="migration_item_of_shard"),
        ]

    def __str__(self) -> str:
        return f"{self.customer} in {self.migration.in_words}"
