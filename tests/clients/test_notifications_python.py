"""Channels, rules and events of notices through the Python client."""

from ipaddress import ip_network

import pytest
from corehttp.exceptions import ResourceNotFoundError
from openmeter import models

from core.outbox.services.deliver import deliver_due
from tests.support.endpoint import listening

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]


def test_from_a_channel_to_an_event_that_is_sent_again(client, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    channels, rules, events = client.notification_channels, client.notification_rules, client.notification_events
    with listening() as endpoint:
        body = models.NotificationChannelWebhookCreateRequest(type="WEBHOOK", name="Orders", url=endpoint.url)
        channel = channels.create(body)
        # What is one of several types stays a mapping in this client.
        assert channel["signingSecret"].startswith("whsec_")
        rule = rules.create(
            models.NotificationRuleBalanceThresholdCreateRequest(
                type="entitlements.balance.threshold",
                name="Usage",
                channels=[channel["id"]],
                thresholds=[models.NotificationRuleBalanceThresholdValue(value=80, type="usage_percentage")],
            )
        )
        assert (rule["channels"][0]["id"], rule["thresholds"][0]["value"]) == (channel["id"], 80)
        sent = rules.test(rule["id"])
        assert sent["payload"]["data"]["threshold"] == {"type": "usage_percentage", "value": 80}
        assert sent["payload"]["data"]["value"]["balance"] == 199.5
        deliver_due(topics=("webhook",))
        [event] = events.list(rule=[rule["id"]], order_by="createdAt").items_property
        assert event.delivery_status[0].state == "SUCCESS"
        assert event.delivery_status[0].attempts[0].response.status_code == 200
        events.resend(event.id, models.NotificationEventResendRequest(channels=[channel["id"]]))
        deliver_due(topics=("webhook",))
        assert endpoint.ids == [sent.id] * 2
        renamed = models.NotificationChannelWebhookCreateRequest(type="WEBHOOK", name="New", url=endpoint.url)
        assert channels.update(channel["id"], renamed)["name"] == "New"
        assert channels.list(include_disabled=False).total_count == 1
        rules.delete(rule["id"])
        channels.delete(channel["id"])
        with pytest.raises(ResourceNotFoundError):
            rules.test(rule["id"])
        assert rules.list().items_property == channels.list().items_property == []
