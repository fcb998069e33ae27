"""Profile migrations over REST."""

import pytest

from core import clock
from core.ids import to_text
from customers.models import BillingApp, CustomerOverride
from invoicing.models import ProfileMigration
from invoicing.profile_moves.pin_unpinned import start_pinning
from invoicing.profile_moves.work_migration_shard import unfinished_shards, work_off_migration
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import make_plan
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import make_staff
from tests.support.moves import MOVE, make_card_profile, make_customers

pytestmark = pytest.mark.django_db
UNKNOWN = "01G65Z755AFWAKHE12NY0CQ9FH"
URL = "/billing/profile-migrations"


@pytest.fixture(autouse=True)
def _at_the_time_of_the_move():
    with clock.frozen_at(MOVE):
        yield


@pytest.fixture
def old(db):
    return make_default_profile()


@pytest.fixture
def new(old):
    return make_card_profile(app=BillingApp.objects.create(type="sandbox", name="Other sandbox"))


@pytest.fixture
def customers(old, new):
    return make_customers(4, make_plan())


def body(old, new, **more):
    return {"fromProfileId": to_text(old.pk), "toProfileId": to_text(new.pk)} | more


def drafted(api, old, new, **more):
    return f"{URL}/{data(api.post(URL, body(old, new, **more)), 201)['id']}"


def worked(api, url):
    """What the migration shows after the workers."""
    work_off_migration(ProfileMigration.objects.get())
    return data(api.get(url))


def test_a_check_that_is_waited_for_leaves_the_pins_to_the_workers(api, old, new, customers):
    url = drafted(api, old, new)
    shard = start_pinning(migration=ProfileMigration.objects.get())
    assert data(api.post(f"{url}/check"))["status"] == "checked"
    assert (CustomerOverride.objects.count(), unfinished_shards()) == (0, [shard.pk])


def test_a_migration_from_draft_to_done(api, old, new, customers):
    url = drafted(api, old, new)
    draft = data(api.get(url))
    assert (draft["status"], draft["customerCount"], draft["createdBy"]) == ("draft", 0, "API key Tests")
    checked = data(api.post(f"{url}/check"))
    assert (checked["status"], checked["verdicts"], checked["checking"]) == ("checked", {"ready": 4}, False)
    approved = data(api.post(f"{url}/approve", {"reason": "Agreed"}))
    assert (approved["status"], approved["approvedBy"]) == ("approved", "API key Tests")
    assert data(api.post(f"{url}/run", {"limit": 1}))["status"] == "running"
    assert worked(api, url)["outcomes"] == {"moved": 1, "pending": 3}
    assert data(api.post(f"{url}/resume"))["status"] == "running"
    assert data(api.post(f"{url}/pause"))["status"] == "paused"
    assert data(api.post(f"{url}/run"))["status"] == "running"
    done = worked(api, url)
    assert (done["status"], done["outcomes"]) == ("done", {"moved": 4})
    assert [step["name"] for step in done["steps"]] == [
        "create_target",
        "pin_unpinned",
        "switch_default",
        "move_customers",
    ]
    assert CustomerOverride.objects.filter(billing_profile=new).count() == 4
    items = data(api.get(f"{url}/items?outcome=moved"))
    assert (items["totalCount"], items["items"][0]["verdict"], items["items"][0]["tries"]) == (4, "ready", 1)
    first = f"{url}/items/{to_text(customers[0].pk)}"
    assert data(api.post(f"{first}/take-back", {"reason": "Asked"}))["outcome"] == "taken_back"
    assert "nothing to try again" in refused(api.post(f"{first}/retry"), 412)["detail"]
    assert data(api.get(URL))["items"][0]["outcomes"] == {"moved": 3, "taken_back": 1}


def test_blocked_customers_are_listed_with_their_cause(api, old, new, customers):
    CustomerOverride.objects.create(customer=customers[0], billing_profile=make_card_profile(name="Third"))
    ids = [to_text(customer.pk) for customer in customers[:2]]
    url = drafted(api, old, new, customers={"customerId": ids})
    shown = data(api.post(f"{url}/check"))
    assert shown["customers"] == {"customerId": ids}
    assert shown["causes"] == [
        {"code": "not_on_source", "label": "Not billed by the source profile", "severity": "blocked", "count": 1}
    ]
    [item] = data(api.get(f"{url}/items?cause=not_on_source"))["items"]
    assert (item["customerId"], item["causes"][0]["code"]) == (ids[0], "not_on_source")
    assert data(api.get(f"{url}/items?cause=balance"))["items"] == []


def test_filters_narrow_the_customers(api, old, new, customers):
    make_customer(key="yen", name="Yen", currency="JPY")
    for criteria, count in (
        ({"currency": ["EUR"]}, 4),
        ({"customerName": "customer 0002"}, 1),
        ({"customerKey": "YE", "currency": ["JPY"]}, 1),
        ({"customerPrimaryEmail": "@example.com"}, 4),
    ):
        url = drafted(api, old, new, customers=criteria)
        assert data(api.post(f"{url}/check"))["customerCount"] == count


def test_two_steps_before_the_move(api, old, new, customers):
    url = drafted(api, old, new)
    assert data(api.post(f"{url}/pin-unpinned", {"reason": "Before the switch"})) == {"pinned": 4}
    assert data(api.post(f"{url}/switch-default")) == {"pinned": 0}
    steps = {step["name"]: step["done"] for step in data(api.get(url))["steps"]}
    assert steps == {"create_target": True, "pin_unpinned": True, "switch_default": True, "move_customers": False}
    assert "is not the default profile" in refused(api.post(f"{url}/pin-unpinned"), 409)["detail"]


def test_the_money_before_and_after(api, old, new, customers):
    url = drafted(api, old, new)
    data(api.post(f"{url}/check"))
    impacts = data(api.get(f"{url}/impacts"))
    assert len(impacts) == 4
    [one] = data(api.get(f"{url}/items/c0/impact"))
    assert (one["before"]["profile"], one["after"]["profile"], one["difference"]) == ("Default", "Cards", "0.00")
    assert (one["before"]["dueAt"], one["after"]["dueAt"]) == ("2026-04-19T00:00:00Z", "2026-04-09T00:00:00Z")


def test_a_key_of_somebody_else_approves_a_large_one_and_one_of_nobody_does_not(api, old, new, customers, settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = 3
    url = drafted(api, old, new)
    data(api.post(f"{url}/check"))
    assert "somebody else must approve it" in refused(api.post(f"{url}/approve"), 403)["detail"]
    assert "somebody else must approve it" in refused(Api().post(f"{url}/approve"), 403)["detail"]
    other = Api()
    other.key.created_by = make_staff("Billing admin", "bob")
    other.key.save()
    assert data(other.post(f"{url}/approve"))["status"] == "approved"


def test_two_keys_of_one_user_are_one_person(old, new, customers, settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = 3
    ada, bob = make_staff("Billing admin", "ada"), make_staff("Billing admin", "bob")
    first, second, other = Api(), Api(), Api()
    for api, user in ((first, ada), (second, ada), (other, bob)):
        api.key.created_by = user
        api.key.save()
    url = drafted(first, old, new)
    data(first.post(f"{url}/check"))
    assert "somebody else must approve it" in refused(second.post(f"{url}/approve"), 403)["detail"]
    assert ProfileMigration.objects.get().status == "checked"
    assert data(other.post(f"{url}/approve"))["status"] == "approved"


def test_bad_input_is_named_and_nothing_is_stored(api, old, new):
    assert fields_at_fault(api.post(URL, body(old, old))) == {"toProfileId": "same_profile"}
    unknown = body(old, new) | {"toProfileId": UNKNOWN}
    assert fields_at_fault(api.post(URL, unknown)) == {"toProfileId": "unknown_profile"}
    named = body(old, new, customers={"customerId": [UNKNOWN]})
    assert fields_at_fault(api.post(URL, named)) == {"customers.customerId": "unknown_customer"}
    assert fields_at_fault(api.post(URL, {})) == {"fromProfileId": "required", "toProfileId": "required"}
    assert not ProfileMigration.objects.exists()
    url = drafted(api, old, new)
    refused(api.post(f"{url}/check"), 400)
    refused(api.post(f"{url}/run"), 412)
    refused(api.post(f"{url}/items/{UNKNOWN}/retry"), 404)
    refused(api.get(f"{URL}/{UNKNOWN}"), 404)
    assert data(api.post(f"{url}/cancel"))["status"] == "cancelled"
    refused(api.post(f"{url}/check"), 412)


def test_reading_needs_its_scope_and_moving_another(old, new):
    reader = Api("billing:read")
    assert data(reader.get(URL))["items"] == []
    refused(reader.post(URL, body(old, new)), 403)
