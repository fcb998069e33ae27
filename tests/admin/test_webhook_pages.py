"""Webhook channels, notification rules and deliveries at the finance desk."""

import re
from ipaddress import ip_network

import pytest

from core.notifications.models import Channel, Delivery, Rule
from core.notifications.services.deliver_webhooks import custom_headers
from core.notifications.services.save_channel import create_channel
from core.notifications.services.save_rule import create_rule
from core.notifications.services.try_rule import try_rule
from core.outbox.services.deliver import deliver_due
from entitlements.features.create_feature import create_feature
from tests.support.desk import list_url, page_url, said, verb_url
from tests.support.endpoint import listening

URL = "https://hooks.example.com/in"


@pytest.fixture
def channel(db):
    return create_channel(name="Orders", url=URL, headers={"Authorization": "Bearer abc"})[0]


def make_deliveries(channel, count=1):
    rule = create_rule(type="invoice.created", name="Invoices", channel_ids=[channel.pk])
    for _ in range(count):
        try_rule(rule=rule)
    return list(Delivery.objects.order_by("id"))


def test_a_channel_is_added_and_its_secret_shown_once(billing_admin):
    answers = {"name": "Orders", "url": URL, "headers_said": "Authorization: Bearer abc\n", "change_reason": "new"}
    response = billing_admin.post("/admin/notifications/channel/add/", answers)
    [secret] = re.findall(r"whsec_[\w+/=]+", response.content.decode())
    assert "no-store" in response.headers["Cache-Control"]
    made = Channel.objects.get()
    assert custom_headers(made) == {"Authorization": "Bearer abc"}
    for url in (page_url(made), f"{page_url(made).removesuffix('change/')}edit/", list_url(Channel)):
        page = billing_admin.read(url)
        assert secret not in page and "Bearer abc" not in page


def test_a_private_address_and_a_bad_header_are_refused_with_what_was_typed(billing_admin):
    answers = {"name": "Orders", "url": "https://10.0.0.1/", "headers_said": ""}
    page = billing_admin.post("/admin/notifications/channel/add/", answers).content.decode()
    assert "no public address" in page and "https://10.0.0.1/" in page
    page = billing_admin.post(
        "/admin/notifications/channel/add/", answers | {"headers_said": "nothing"}
    ).content.decode()
    assert "is no header" in page
    assert not Channel.objects.exists()


def test_a_channel_is_changed_without_its_secret_and_headers(billing_admin, channel):
    before = Channel.objects.get().secret
    edit = f"/admin/notifications/channel/{channel.pk}/edit/"
    assert "Authorization: ********" in billing_admin.read(edit)
    answers = {"name": "Other", "url": URL, "headers_said": "Authorization: ********", "disabled": "on"}
    assert billing_admin.post(edit, answers).status_code == 302
    channel.refresh_from_db()
    assert (channel.name, channel.disabled, channel.secret) == ("Other", True, before)
    assert custom_headers(channel) == {"Authorization": "Bearer abc"}


def test_another_secret_is_shown_once_and_a_deleted_channel_has_none(billing_admin, channel):
    answers = {"confirmed": "yes", "reason": "lost"}
    response = billing_admin.post(verb_url(channel, "rotate-secret"), answers)
    assert re.search(r"whsec_[\w+/=]+", response.content.decode())
    assert "whsec_" not in billing_admin.read(page_url(channel))
    billing_admin.do(channel, "delete-channel")
    channel.refresh_from_db()
    assert channel.deleted_at is not None
    response = billing_admin.do(channel, "rotate-secret", reason="again")
    assert "whsec_" not in response.content.decode()
    assert "The channel is deleted." in said(response)


def test_a_rule_is_added_changed_and_tried(billing_admin, channel):
    create_feature(key="calls", name="Calls")
    answers = {
        "name": "Usage",
        "type": "entitlements.balance.threshold",
        "told": [str(channel.pk)],
        "limits_0_kind": "usage_percentage",
        "limits_0_value": "80",
        "limits_1_kind": "balance_value",
        "limits_1_value": "0",
        "features": "calls",
    }
    page = billing_admin.post("/admin/notifications/rule/add/", answers | {"features": "nothing"}).content.decode()
    assert "There is no feature nothing." in page
    page = billing_admin.post("/admin/notifications/rule/add/", answers | {"limits_0_kind": "money"}).content.decode()
    assert "Choose what each threshold is compared with." in page
    assert billing_admin.post("/admin/notifications/rule/add/", answers).status_code == 302
    rule = Rule.objects.get()
    assert [each["value"] for each in rule.thresholds] == ["80", "0"]
    assert list(rule.channels.all()) == [channel]
    edit = f"/admin/notifications/rule/{rule.pk}/edit/"
    assert '<option value="usage_percentage" selected>' in billing_admin.read(edit)
    assert "usage above 80 %, nothing left" in billing_admin.read(page_url(rule))
    assert billing_admin.post(edit, answers | {"name": "All usage", "features": ""}).status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.feature_ids, rule.type) == ("All usage", [], "entitlements.balance.threshold")
    assert said(billing_admin.do(rule, "send-example"))[-1] == "An example is on its way: see the deliveries."
    assert Delivery.objects.count() == 1
    billing_admin.do(rule, "delete-rule")
    rule.refresh_from_db()
    assert rule.deleted_at is not None


def test_deliveries_are_looked_at_and_sent_again(clerk, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with listening() as endpoint:
        [delivery] = make_deliveries(create_channel(name="Orders", url=endpoint.url)[0])
        assert "Waiting" in clerk.read(list_url(Delivery))
        assert "It is on its way already." in said(clerk.do(delivery, "resend"))
        deliver_due(topics=("webhook",))
        page = clerk.read(page_url(delivery))
        assert "Delivered" in page and "seen" in page and "EXAMPLE-000001" in page
        assert "An invoice is made" in page
        clerk.do(delivery, "resend")
        assert "To be sent again" in clerk.read(f"{list_url(Delivery)}?state=RESENDING")
        deliver_due(topics=("webhook",))
        assert len(endpoint.received) == 2
        for state in ("PENDING", "SENDING", "SUCCESS", "FAILED", "RESENDING"):
            page = clerk.read(f"{list_url(Delivery)}?state={state}")
            assert (page_url(delivery) in page) == (state == "SUCCESS")


def test_who_only_reads_changes_nothing(auditor, clerk, channel):
    for desk in (auditor, clerk):
        desk.read(page_url(channel))
        assert desk.get("/admin/notifications/channel/add/").status_code == 403
        assert desk.post(verb_url(channel, "rotate-secret"), {"confirmed": "yes", "reason": "x"}).status_code == 403
