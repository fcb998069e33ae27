import pytest

from subscriptions.models import Coupon
from tests.support.api import Api, data, fields_at_fault, refused

pytestmark = pytest.mark.django_db

HALF = {"code": "HALF", "percentage": 50, "periods": 3, "itemKeys": ["storage"], "redemptionLimit": 100}


def test_a_coupon_is_created_and_shown_by_id_and_code(api):
    created = data(api.post("/coupons", HALF | {"expiresAt": "2027-01-01T00:00:00Z"}), 201)
    assert {name: created[name] for name in HALF} == HALF
    assert (created["planKeys"], created["redemptionCount"], created["name"]) == ([], 0, "")
    assert {"amount", "currency", "archivedAt"}.isdisjoint(created)
    assert data(api.get(f"/coupons/{created['id']}")) == data(api.get("/coupons/HALF")) == created


def test_a_fixed_amount_is_a_decimal_string_and_null_periods_mean_forever(api):
    created = data(api.post("/coupons", {"code": "FIVE", "amount": "5.00", "currency": "EUR", "periods": None}), 201)
    assert (created["amount"], created["currency"], created["periods"]) == ("5", "EUR", None)
    assert data(api.post("/coupons", {"code": "ONCE", "percentage": 12.5}), 201)["periods"] == 1


def test_replacing_clears_what_is_left_out_and_deleting_frees_the_code(api):
    data(api.post("/coupons", HALF), 201)
    replaced = data(api.put("/coupons/HALF", {"code": "HALF", "percentage": 40}))
    assert (replaced["percentage"], replaced["itemKeys"]) == (40, [])
    assert "redemptionLimit" not in replaced
    assert api.delete("/coupons/HALF").status_code == 204
    refused(api.get("/coupons/HALF"), 404)
    data(api.post("/coupons", HALF), 201)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"code": "C"}, "percentage"),
        ({"code": "", "percentage": 5}, "code"),
        ({"code": "C", "percentage": 101}, "percentage"),
        ({"code": "C", "percentage": "half"}, "percentage"),
        ({"code": "C", "amount": "5.001", "currency": "EUR"}, "amount"),
        ({"code": "C", "amount": "5"}, "currency"),
        ({"code": "C", "percentage": 5, "periods": 0}, "periods"),
        ({"code": "C", "percentage": 5, "redemptionLimit": 0}, "redemptionLimit"),
    ],
)
def test_a_wrong_coupon_names_its_field_and_leaves_no_trace(api, body, field):
    assert set(fields_at_fault(api.post("/coupons", body))) == {field}
    assert not Coupon.objects.exists()


def test_a_code_is_given_once(api):
    data(api.post("/coupons", HALF), 201)
    refused(api.post("/coupons", HALF), 409)


@pytest.mark.parametrize("count", [3, 30])
def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(api, count, django_assert_num_queries):
    for number in range(count):
        data(api.post("/coupons", HALF | {"code": f"C{number}"}), 201)
    with django_assert_num_queries(3):
        assert data(api.get("/coupons"))["totalCount"] == count


def test_reading_needs_a_scope_of_its_own():
    refused(Api("subscriptions:read").get("/coupons"), 403)
    data(Api("catalog:read").get("/coupons"))
