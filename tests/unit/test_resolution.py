"""Effective settings: the first layer that says something about a field wins, and the field knows who it was."""

import pytest

from customers.effective_settings import Sources, resolve_terms
from customers.models import BillingProfile
from customers.settings_layers import WORKFLOW_FIELDS, Layer, resolve

SAID = {
    "collection_alignment": ("subscription", "anchored"),
    "collection_cadence": ("P1M", "P1Y"),
    "collection_anchor": ("2026-01-01", "2026-02-01"),
    "collection_interval": ("PT1H", "PT0S"),
    "auto_advance": (True, False),
    "draft_period": ("P1D", "PT0S"),
    "due_after": ("P30D", "PT0S"),
    "collection_method": ("charge_automatically", "send_invoice"),
    "late_usage": ("bill", "ask"),
    "progressive_billing": (True, False),
    "progressive_threshold": (100, 50),
    "progressive_threshold_currency": ("EUR", "USD"),
    "tax_enabled": (True, False),
    "tax_enforced": (True, False),
    "tax_behavior": ("exclusive", "inclusive"),
    "tax_code": ("txcd_1", "txcd_2"),
    "dunning_days": ([1, 3], []),
    "uncollectible_after_dunning": (True, False),
}


def test_every_field_is_here():
    assert set(SAID) == set(WORKFLOW_FIELDS)


@pytest.mark.parametrize("field", SAID)
@pytest.mark.parametrize("speaks", [0, 1, 2, 3])
def test_the_strongest_layer_that_says_something_wins(field, speaks):
    weak, strong = SAID[field]
    names = ["contract", "override", "pin: Enterprise", "default profile"]
    layers = [
        Layer(name, {field: None if position < speaks else strong if position == speaks else weak})
        for position, name in enumerate(names)
    ]
    found = resolve(layers)
    # Also no, no days and no time at all are something that is said.
    assert (found.values[field], found.origins[field]) == (strong, names[speaks])


def test_each_field_is_decided_alone():
    found = resolve(
        [
            Layer("override", {"due_after": "P60D"}),
            Layer("pin: Enterprise", {"due_after": "P45D", "auto_advance": False}),
        ]
    )
    assert (found.values["due_after"], found.origins["due_after"]) == ("P60D", "override")
    assert (found.values["auto_advance"], found.origins["auto_advance"]) == (False, "pin: Enterprise")
    assert (found.values["tax_code"], found.origins["tax_code"]) == (None, None)


DEFAULT = BillingProfile(name="Default", due_after="P14D", tax_code="txcd_1")
ENTERPRISE = BillingProfile(name="Enterprise", due_after="P30D", tax_code="")


@pytest.mark.parametrize(
    ("sources", "profile", "due_after", "origin"),
    [
        (Sources(default=DEFAULT), DEFAULT, "P14D", "default profile"),
        (Sources(pinned=ENTERPRISE, default=DEFAULT), ENTERPRISE, "P30D", "pin: Enterprise"),
        (Sources(own={"due_after": "P60D"}, default=DEFAULT), DEFAULT, "P60D", "override"),
        (Sources(own={"due_after": "P60D"}, pinned=ENTERPRISE, default=DEFAULT), ENTERPRISE, "P60D", "override"),
        (Sources(own={"due_after": None}, pinned=ENTERPRISE, default=DEFAULT), ENTERPRISE, "P30D", "pin: Enterprise"),
    ],
)
def test_own_settings_come_before_the_pin_and_the_pin_before_the_default(sources, profile, due_after, origin):
    terms = resolve_terms(sources)

    assert terms.profile is profile
    assert (terms.settings.values["due_after"], terms.settings.origins["due_after"]) == (due_after, origin)


def test_a_pinned_profile_is_whole_the_default_does_not_speak_where_it_is_silent():
    terms = resolve_terms(Sources(pinned=ENTERPRISE, default=DEFAULT))

    assert (terms.settings.values["tax_code"], terms.settings.origins["tax_code"]) == (None, None)
