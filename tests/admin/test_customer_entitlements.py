"""What a customer may use, on their page: what is left of which grants, who manages it, and a way to grant more."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.ids import new_id
from entitlements.access.entitlement_input import Manager
from entitlements.models import Entitlement
from tests.admin.pages import text_of
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url, verb_url
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon():
    with clock.frozen_at(at("2026-04-16T12:00")):
        yield


def card(desk, customer):
    return desk.read(reverse("admin:customers_customer_entitled", args=[customer.pk]))


def manager(plan):
    return Manager(subscription_id=new_id(), item_id=new_id(), keys={"plan": plan})


def test_each_feature_with_what_is_left_of_which_grants(clerk):
    make_metered_feature()
    make_feature(key="sso", name="SSO")
    customer = make_customer()
    calls = entitle(customer)
    give(calls, "50", "2026-04-10", priority=2)
    use("2026-04-12", 110)
    sso = entitle(customer, type="boolean", feature_key="sso", manager=manager("team"))
    page = card(clerk, customer)
    # 100 issued are used up first, and 10 of the 50.
    assert "calls by hand 40 of 150 110 1 May 2026 00:00 UTC 0 issued 40 by staff Grant usage" in text_of(page)
    assert "sso by team yes – – –" in text_of(page)
    assert 'style="width:26%"' in page
    assert verb_url(calls, "grant") in page
    assert verb_url(sso, "grant") not in page
    make_default_profile()
    assert reverse("admin:customers_customer_entitled", args=[customer.pk]) in clerk.read(page_url(customer))


def test_overage_and_what_gives_no_access_stand_out(clerk):
    make_metered_feature()
    customer = make_customer()
    entitle(customer)
    use("2026-04-12", 130)
    page = card(clerk, customer)
    assert "0 of 100, 30 beyond" in text_of(page)
    assert "ch-red-fill" in page


def test_what_moved_along_from_earlier_terms_is_told_apart(clerk):
    make_metered_feature()
    customer = make_customer()
    first = entitle(customer, manager=manager("free"))
    give(first, "30", "2026-04-05", max_rollover=Decimal(30))
    Entitlement.objects.update(active_to=at("2026-04-10"))
    second = entitle(customer, "2026-04-10", manager=manager("team"))
    Entitlement.objects.filter(pk=second.pk).update(continues=first)
    assert "calls by team 130 of 130 0 10 May 2026 00:00 UTC 100 issued 30 moved along" in text_of(
        card(clerk, customer)
    )


def test_who_is_entitled_to_nothing_and_what_is_over_or_to_come(clerk):
    make_metered_feature()
    customer = make_customer()
    assert "Entitled to nothing now." in card(clerk, customer)
    entitle(customer, "2026-04-01", active_to=at("2026-04-10"))
    assert "Entitled to nothing now." in card(clerk, customer)


def test_an_auditor_reads_it_without_a_way_to_grant(auditor, client, django_user_model):
    make_metered_feature()
    customer = make_customer()
    entitle(customer)
    assert "100 of 100" in card(auditor, customer)
    assert "Grant usage" not in card(auditor, customer)
    client.force_login(django_user_model.objects.create_user("nobody", is_staff=True))
    assert client.get(reverse("admin:customers_customer_entitled", args=[customer.pk])).status_code == 403


def test_thirty_entitlements_ask_as_much_as_three(clerk):
    customer = make_customer()
    counts = []
    for number in range(30):
        feature = make_feature(key=f"calls_{number}", meter=make_meter(key=f"meter_{number}"))
        entitle(customer, feature_key=feature.key)
        if number in (2, 29):
            card(clerk, customer)  # keeps the snapshots of resets on the way
            with CaptureQueriesContext(connection) as queries:
                page = card(clerk, customer)
            counts.append(len(queries))
    assert page.count("Grant usage") == 30
    assert counts[0] == counts[1] <= 12
