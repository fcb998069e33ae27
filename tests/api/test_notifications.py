"""`/notification/…`: channels, rules, events, test and resend."""

from decimal import Decimal
from ipaddress import ip_network

from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.outbox.services.deliver import deliver_due
from entitlements.features.create_feature import create_feature
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.endpoint import listening

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHANNEL = {"type": "WEBHOOK", "name": "Orders", "url": "https://hooks.example.com/in"}


def make_channel(api, **given):
    return data(api.post("/notification/channels", CHANNEL | given), 201)


def make_rule(api, *channels, **given):
    ids = [channel["id"] for channel in channels]
    body = {"type": "invoice.created", "name": "Invoices", "channels": ids}
    return data(api.post("/notification/rules", body | given), 201)


def test_a_channel_is_made_shown_replaced_and_deleted(api):
    made = make_channel(api, customHeaders={"Authorization": "Bearer abc"}, metadata={"team": "blue"})
    assert made["signingSecret"].startswith("whsec_")
    shown = data(api.get(f"/notification/channels/{made['id']}"))
    assert "signingSecret" not in shown
    assert shown["customHeaders"] == {"Authorization": "********"}
    assert (shown["type"], shown["disabled"], shown["metadata"]) == ("WEBHOOK", False, {"team": "blue"})
    # What was shown can be sent back.
    body = {name: shown[name] for name in ("type", "name", "url", "customHeaders", "createdAt", "id")}
    put = data(api.put(f"/notification/channels/{made['id']}", body | {"disabled": True, "signingSecret": SECRET}))
    assert (put["disabled"], put["signingSecret"], put["metadata"]) == (True, SECRET, {})
    assert put["customHeaders"] == {"Authorization": "********"}
    assert data(api.get("/notification/channels"))["totalCount"] == 1
    assert data(api.get("/notification/channels?includeDisabled=false"))["totalCount"] == 0
    assert api.delete(f"/notification/channels/{made['id']}").status_code == 204
    refused(api.delete(f"/notification/channels/{made['id']}"), 404)
    refused(api.put(f"/notification/channels/{made['id']}", CHANNEL), 404)
    assert data(api.get(f"/notification/channels/{made['id']}"))["deletedAt"]
    assert data(api.get("/notification/channels"))["items"] == []
    assert data(api.get("/notification/channels?includeDeleted=true"))["totalCount"] == 1


def test_a_rule_names_features_by_id_or_key_and_thresholds_as_numbers(api):
    for key in ("calls", "tokens"):
        create_feature(key=key, name=key)
    channel = make_channel(api)
    rule = make_rule(
        api,
        channel,
        type="entitlements.balance.threshold",
        thresholds=[{"type": "usage_percentage", "value": 80}, {"type": "balance_value", "value": 0.5}],
        features=["calls"],
    )
    assert rule["channels"] == [{"id": channel["id"], "type": "WEBHOOK"}]
    assert [each["key"] for each in rule["features"]] == ["calls"]
    assert [each["value"] for each in rule["thresholds"]] == [80, Decimal("0.5")]
    for query, count in (("feature=calls", 1), ("feature=tokens", 0), (f"channel={channel['id']}", 1)):
        assert data(api.get(f"/notification/rules?{query}"))["totalCount"] == count
    body = {"type": rule["type"], "name": "Other", "channels": [channel["id"]], "thresholds": rule["thresholds"]}
    path = f"/notification/rules/{rule['id']}"
    put = data(api.put(path, body | {"thresholds": [{"type": "PERCENT", "value": 50}], "features": ["tokens"]}))
    assert (put["name"], put["thresholds"]) == ("Other", [{"type": "PERCENT", "value": 50}])
    assert fields_at_fault(api.put(path, body | {"thresholds": [], "features": ["nothing"]})) == {
        "features": "feature_not_found"
    }
    assert fields_at_fault(api.put(path, body | {"thresholds": []})) == {"thresholds": "required"}
    assert fields_at_fault(api.put(path, body | {"type": "entitlements.reset", "thresholds": []}))["type"] == "fixed"
    assert api.delete(path).status_code == 204
    refused(api.post(f"{path}/test"), 404)
    assert data(api.get(path))["deletedAt"]


def test_a_test_event_is_sent_shown_and_sent_again(api, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with listening() as endpoint:
        channel = make_channel(api, url=endpoint.url)
        rule = make_rule(api, channel, type="entitlements.reset")
        event = data(api.post(f"/notification/rules/{rule['id']}/test"), 201)
        assert [status["state"] for status in event["deliveryStatus"]] == ["PENDING"]
        assert event["payload"]["type"] == event["type"] == "entitlements.reset"
        assert event["rule"]["id"] == rule["id"]
        deliver_due(topics=("webhook",))
        [shown] = data(api.get(f"/notification/events?rule={rule['id']}&from=2020-01-01T00:00:00Z"))["items"]
        [status] = shown["deliveryStatus"]
        assert (status["state"], status["reason"], status["channel"]["id"]) == ("SUCCESS", "", channel["id"])
        [attempt] = status["attempts"]
        assert (attempt["state"], attempt["response"]["statusCode"]) == ("SUCCESS", 200)
        assert "nextAttempt" not in status
        path = f"/notification/events/{event['id']}"
        assert api.post(f"{path}/resend", {"channels": [channel["id"]]}).status_code == 202
        assert data(api.get(path))["deliveryStatus"][0]["state"] == "RESENDING"
        deliver_due(topics=("webhook",))
        assert endpoint.ids == [event["id"]] * 2
        other = make_channel(api)
        refused(api.post(f"{path}/resend", {"channels": [other["id"]]}), 412)
        assert api.post(f"{path}/resend", {}).status_code == 202
    for query in ("to=2020-01-01T00:00:00Z", f"channel={other['id']}", "feature=calls", "subject=acme"):
        assert data(api.get(f"/notification/events?{query}"))["items"] == []


def test_lists_take_as_many_queries_for_thirty_as_for_three(api):
    counts = []
    for number in (3, 27):
        for index in range(number):
            rule = make_rule(api, make_channel(api), type="entitlements.reset", name=f"{number} {index}")
            data(api.post(f"/notification/rules/{rule['id']}/test"), 201)
        with CaptureQueriesContext(connection) as queries:
            for path in ("channels", "rules", "events"):
                data(api.get(f"/notification/{path}"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_unknown_parameters_fields_and_scopes_are_refused(api):
    refused(api.get("/notification/channels?disabled=true"), 400)
    refused(api.get("/notification/events?customer=acme"), 400)
    assert fields_at_fault(api.post("/notification/channels", CHANNEL | {"secret": "x"})) == {"secret": "unknown_field"}
    assert fields_at_fault(api.post("/notification/channels", CHANNEL | {"url": "https://127.0.0.1/"})) == {
        "url": "private_address"
    }
    reader = Api("notifications:read")
    assert data(reader.get("/notification/rules"))["items"] == []
    refused(reader.post("/notification/channels", CHANNEL), 403)
    refused(Api("billing:read").get("/notification/channels"), 403)
