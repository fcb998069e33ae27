"""Entitlements at the finance desk: what is left, one-time grants with a reason, and voids."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.models import AuditEntry
from core.ids import new_id
from entitlements.access.entitlement_input import Manager
from entitlements.models import Entitlement, Grant
from tests.admin.pages import hidden, text_of
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.desk import list_url, page_url, said, verb_url
from tests.support.entitlements import entitle, figures, give, make_metered_feature
from tests.support.usage import use

pytestmark = pytest.mark.django_db
ANSWERS = {"amount": "50", "expires_unit": "DAY", "kept": "all", "priority": "1", "reason": "Goodwill"}


@pytest.fixture(autouse=True)
def noon():
    with clock.frozen_at(at("2026-04-16T12:00")):
        yield


@pytest.fixture
def entitlement():
    make_metered_feature()
    use("2026-04-03", 120)
    return entitle(make_customer())


def grant(desk, entitlement, **answers):
    url = verb_url(entitlement, "grant")
    page = desk.read(url)
    return desk.post(url, hidden(page) | ANSWERS | answers, follow=True)


def test_the_page_tells_what_is_left_and_why(clerk, entitlement):
    give(entitlement, "30", "2026-04-10")
    page = text_of(clerk.read(page_url(entitlement)))
    for words in ("Access yes", "Left 10", "Used 120", "Overage 0", "Of 130", "Managed by –", "hard: no access"):
        assert words in page
    assert "Acme" in text_of(clerk.read(list_url(Entitlement)))
    assert "with each usage period" in text_of(clerk.read(list_url(Grant)))


def test_a_one_time_grant_is_made_once_with_its_reason(clerk, entitlement):
    url = verb_url(entitlement, "grant")
    answers = hidden(clerk.read(url)) | ANSWERS
    for _ in range(2):
        assert said(clerk.post(url, answers, follow=True)) == ["Acme may use 50 more of calls."]
    assert figures(entitlement, "2026-04-16T12:00") == (True, "150", "120", "30", "0")
    [entry] = AuditEntry.objects.filter(verb="grant.created")
    assert (entry.reason, entry.customer_id) == ("Goodwill", entitlement.customer_id)
    assert entry.sentence == "Clerk granted 50 of calls to Acme from 2026-04-16 12:00 UTC."


def test_the_figures_are_shown_as_they_are_typed(clerk, entitlement):
    page = text_of(clerk.read(f"{verb_url(entitlement, 'grant')}?effects=1&amount=50"))
    assert page.strip() == "What Now Afterwards Left 0 30 Overage 20 0"


@pytest.mark.parametrize(
    ("answers", "wrong"),
    [
        ({"amount": "-1"}, "greater than or equal to 0"),
        ({"amount": "0"}, "Must be greater than zero"),
        ({"reason": ""}, "This field is required"),
        ({"expires_after": "0"}, "greater than or equal to 1"),
        ({"expires_after": "9999", "expires_unit": "YEAR"}, "end before the year 3000"),
        ({"priority": "256"}, "less than or equal to 255"),
        ({"grant_id": "nonsense"}, "Open the page anew"),
    ],
)
def test_bad_answers_grant_nothing(clerk, entitlement, answers, wrong):
    assert wrong in text_of(grant(clerk, entitlement, **answers).content.decode())
    assert Grant.objects.count() == 1


def test_a_grant_for_this_period_only_and_for_ten_days(clerk, entitlement):
    grant(clerk, entitlement, kept="nothing", expires_after="10")
    made = Grant.objects.get(issued=False)
    assert (made.max_rollover, made.expires_at) == (0, at("2026-04-26T12:00"))


def test_a_void_with_its_reason(clerk, entitlement):
    given = give(entitlement, "30", "2026-04-10")
    assert said(clerk.do(given, "void", reason="Twice")) == ["The grant of 30 for calls of Acme counts no longer."]
    assert Grant.objects.get(pk=given.pk).voided_at == at("2026-04-16T12:00")
    assert AuditEntry.objects.get(verb="grant.voided").reason == "Twice"
    assert said(clerk.do(given, "void", reason="Again")) == ["It is voided already."]
    assert "Voided" in text_of(clerk.read(page_url(given)))


def test_what_a_plan_grants_is_not_voided_by_hand_and_one_time_grants_come_on_top(clerk):
    make_metered_feature()
    manager = Manager(subscription_id=new_id(), item_id=new_id(), keys={"plan": "starter"})
    managed = entitle(make_customer(), manager=manager)
    assert said(clerk.do(managed.grants.get(), "void", reason="No")) == [
        "It is what the plan grants: change or edit the subscription."
    ]
    grant(clerk, managed)
    assert figures(managed, "2026-04-16T12:00")[3] == "150"
    assert "Managed by starter" in text_of(clerk.read(page_url(managed)))


def test_an_auditor_reads_and_does_nothing(auditor, entitlement):
    auditor.read(page_url(entitlement))
    given = entitlement.grants.get()
    auditor.read(page_url(given))
    for obj, verb in ((entitlement, "grant"), (given, "void")):
        assert auditor.post(verb_url(obj, verb), ANSWERS).status_code == 403
    assert Grant.objects.filter(voided_at=None).count() == 1


def test_what_has_ended_takes_no_grant(clerk, entitlement):
    Entitlement.objects.update(active_to=at("2026-04-10"))
    assert said(clerk.do(entitlement, "grant", **ANSWERS)) == ["The entitlement is not active now."]
    assert "Ended" in text_of(clerk.read(f"{list_url(Entitlement)}?state=ended"))
    assert "Ended" not in text_of(clerk.read(list_url(Entitlement))).partition("Acme")[2]


def test_the_page_asks_the_same_for_many_grants(clerk, entitlement):
    counts = []
    for number in range(20):
        give(entitlement, "1")
        if number in (1, 2, 19):
            with CaptureQueriesContext(connection) as queries:
                clerk.read(page_url(entitlement))
            counts.append(len(queries))
    assert counts[1] == counts[2] <= 22


def test_the_usage_period_is_a_line_and_a_history(clerk, entitlement):
    give(entitlement, "30", "2026-04-10")
    use("2026-04-12", 4)
    page = clerk.read(page_url(entitlement))
    line = re.search(r'class="ch-chart-path" points="([^"]+)"', page)[1].split()
    # 100 at the start of the 3rd of April (2 of 30 days on), all of it gone at the end of that day, 20 beyond.
    assert line[1:3] == ["6.67,0.00", "10.00,100.00"]
    # 30 more on the 10th pay for the 20; the 10 that are left fall to 6 on the 12th, half of April gone on the 16th.
    assert line[-3:] == ["36.67,90.00", "40.00,94.00", "51.67,94.00"]
    assert 'aria-label="What was left fell from 100 to 6."' in page
    history = text_of(page.partition("History of this usage period")[2].partition("</section>")[0])
    assert "10 Apr 2026 00:00 UTC 16 Apr 2026 12:00 UTC 4 No. 2: 4 10 6 0" in history
    assert "1 Apr 2026 00:00 UTC 10 Apr 2026 00:00 UTC 120 No. 1: 100 100 0 20" in history


def test_what_has_not_begun_has_no_line_and_what_ended_shows_its_last_usage_period(clerk, entitlement):
    with clock.frozen_at(at("2026-03-20")):
        assert "Burn-down" not in clerk.read(page_url(entitlement))
    Entitlement.objects.update(active_to=at("2026-04-10"))
    page = clerk.read(page_url(entitlement))
    assert "1 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC" in text_of(page)
    assert "What was left fell from 100 to 0." in page


def test_grants_that_moved_along_are_listed_with_what_is_left_of_them(clerk):
    make_metered_feature()
    first = entitle(make_customer(), manager=Manager(subscription_id=new_id(), item_id=new_id(), keys={}))
    give(first, "30", "2026-04-05", max_rollover=Decimal(30))
    Entitlement.objects.update(active_to=at("2026-04-10"))
    second = entitle(first.customer, "2026-04-10", manager=Manager(subscription_id=new_id(), item_id=new_id(), keys={}))
    Entitlement.objects.filter(pk=second.pk).update(continues=first)
    rows = text_of(clerk.read(page_url(second)).partition("<h3>Grants</h3>")[2].partition("</section>")[0])
    assert re.search(r"Counts moved along renewed never 1 30 30", rows)
    assert re.search(r"Counts plan renewed with each usage period 1 100 100", rows)
