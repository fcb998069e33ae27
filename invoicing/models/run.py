"""Billing runs: who was to be billed, what came of it, and who is parked."""

from django.db import models
from django.db.models import Q

from core import clock
from core.db import Record, ULIDField
from core.ids import new_id
from customers.models import Customer
from invoicing.choices import CustomerOutcome, RunStatus, RunTrigger

# Of several customers, asked for by a person or a caller, or not over yet. The list of runs begins with these.
NOT_ROUTINE = Q(customer_count__gt=1) | Q(trigger__in=(RunTrigger.STAFF, RunTrigger.API)) | ~Q(status=RunStatus.DONE)


class BillingRun(Record):
    """One close: everything due up to `as_of`, for the customers that were due when it was made.

    `author` is the person (`Actor.person`) who started it, and who therefore approves none of its drafts; empty for one
    that nobody started.
    """

    as_of = models.DateTimeField()
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.PENDING)
    trigger = models.CharField(max_length=16, choices=RunTrigger.choices, default=RunTrigger.SCHEDULE)
    started_by = models.CharField(max_length=200, blank=True)
    author = models.CharField(max_length=96, blank=True)
    customer_count = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [("start_billingrun", "Can start billing runs")]
        indexes = [
            models.Index(fields=["status"], name="run_unfinished", condition=~Q(status="done")),
            models.Index(fields=["-created_at", "-id"], name="run_by_time"),
            models.Index(fields=["-created_at", "-id"], name="run_not_routine_by_time", condition=NOT_ROUTINE),
        ]

    def __str__(self) -> str:
        return f"Run up to {self.as_of:%Y-%m-%d %H:%M} UTC"


class RunShard(models.Model):
    """A slice of a run that one worker takes at a time.

    `lease_until` says until when the worker that holds it is believed alive (`core.leases`); whoever finds it expired
    may take the shard over. `lease_token` tells the holder from a former one. `attempts` are the holders there were,
    `lost` those of them who ended without a word, `failed` those who caught an error and gave it back. After several,
    customers are closed one by one: `alone_with` is the one whose turn it is, for the `alone_tries`th time, and
    `alone_failed` times before it came to an error.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(BillingRun, on_delete=models.CASCADE, related_name="shards")
    position = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.PENDING)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lost = models.PositiveIntegerField(default=0, db_default=0)
    failed = models.PositiveIntegerField(default=0, db_default=0)
    alone_with = models.UUIDField(null=True, blank=True)
    alone_tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    alone_failed = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        ordering = ["run", "position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="shard_position_is_unique")]
        indexes = [models.Index(fields=["lease_until"], name="shard_unfinished", condition=~Q(status="done"))]

    def __str__(self) -> str:
        return f"shard {self.position} of {self.run}"


class RunCustomer(models.Model):
    """One customer in a run, and the outcome. `note` says what is worth knowing even when all went well."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    # Two indexes begin with the run.
    run = models.ForeignKey(
        BillingRun, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="customers"
    )
    shard = models.ForeignKey(RunShard, on_delete=models.CASCADE, db_constraint=False, related_name="customers")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_constraint=False, related_name="run_rows")
    outcome = models.CharField(max_length=16, choices=CustomerOutcome.choices, default=CustomerOutcome.PENDING)
    cause_code = models.CharField(max_length=64, blank=True)
    cause = models.TextField(blank=True)
    note = models.TextField(blank=True)
    invoice_count = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "id"]
        constraints = [models.UniqueConstraint(fields=["run", "customer"], name="customer_once_per_run")]
        indexes = [
            models.Index(fields=["shard"], name="run_customer_pending", condition=Q(outcome="pending")),
            models.Index(fields=["run", "outcome"], name="run_customer_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.customer} in {self.run}"


class ParkedCustomers(models.QuerySet["ParkedCustomer"]):
    def still_parked(self) -> "ParkedCustomers":
        """Those who are parked now: nobody has released them."""
        return self.filter(released_at__isnull=True)


class ParkedCustomer(models.Model):
    """A customer whose close failed: left out of every run until staff fix the cause and release them.

    Where a worker is to release them, `release_asked` has the actor who asked and their reason, and `release_asked_at`
    when, as long as it is to be done; `release_tries` are the workers who began and did not come back, `release_failed`
    those to whom the database went away, and `release_said` is why the last one did not release them. `lease_until`
    and `lease_token` are those of a run's shard.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="parkings")
    run = models.ForeignKey(BillingRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="parkings")
    parked_at = models.DateTimeField(default=clock.now)
    cause_code = models.CharField(max_length=64)
    cause = models.TextField()
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=200, blank=True)
    release_reason = models.TextField(blank=True)
    release_asked_at = models.DateTimeField(null=True, blank=True)
    release_asked = models.JSONField(default=dict, db_default={}, blank=True)
    release_tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    release_failed = models.PositiveSmallIntegerField(default=0, db_default=0)
    release_said = models.TextField(blank=True, default="", db_default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)

    objects = ParkedCustomers.as_manager()

    class Meta:
        ordering = ["-parked_at", "-id"]
        permissions = [("release_parkedcustomer", "Can release parked customers")]
        constraints = [
            models.UniqueConstraint(
                fields=["customer"], name="parked_once_at_a_time", condition=Q(released_at__isnull=True)
            )
        ]
        indexes = [
            models.Index(
                fields=["release_asked_at"], name="parked_release_asked", condition=Q(release_asked_at__isnull=False)
            )
        ]

    @property
    def is_parked(self) -> bool:
        """Whether nobody has released the customer yet."""
        return self.released_at is None

    def __str__(self) -> str:
        return f"Parking of {self.customer}"
