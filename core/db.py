"""Fields and the abstract record that every model builds on."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from core import clock
from core.ids import from_text, new_id


class ULIDField(models.UUIDField):
    """A ULID stored as PostgreSQL's `uuid`; Python code sees `uuid.UUID`. Accepts the 26-character text in look-ups."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            known = from_text(value)
            if known is not None:
                return known
        return super().to_python(value)


class AmountField(models.DecimalField):
    """An exact amount or quantity: PostgreSQL's unbounded `numeric`, which keeps the scale it is given.

    The digits and places given to the parent class bound only what forms accept.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 30)
        kwargs.setdefault("decimal_places", 12)
        super().__init__(*args, **kwargs)

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "numeric"


class UpdatedAtField(models.DateTimeField):
    """The time of the last `save()`, by the billing clock (Django's `auto_now` would bypass the test clock)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", clock.now)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def pre_save(self, model_instance: models.Model, add: bool) -> datetime:
        value = clock.now()
        setattr(model_instance, self.attname, value)
        return value


class Record(models.Model):
    """What every stored object has: a ULID made in Python, and when it was made and last saved."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = UpdatedAtField()

    class Meta:
        abstract = True


def validate_metadata(value: Any) -> None:
    """Metadata is a flat object of texts; Django's ValidationError for another value."""
    if not isinstance(value, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise ValidationError("Metadata must be an object whose values are texts.", code="invalid_metadata")
