import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_site.access.models import ApiKey, IdempotentResponse
from billing_site.access.services.ensure_api_key import ensure_api_key
from billing_site.access.services.purge_idempotent_responses import purge_idempotent_responses
from billing_site.access.services.revoke_api_key import revoke_api_key
from billing_site.rest.middleware import ApiMiddleware
from core.clock import real_now
from tests.support.api import Api, data, fields_at_fault, refused

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.api.sample_urls")]

THING = {"fullName": "Bolt"}


@pytest.fixture(autouse=True)
def no_things(db):
    """The sample API serves groups as things: the four roles of staff are none of its business."""
    Group.objects.all().delete()


class TestKeys:
    def test_without_a_key_the_answer_is_401_and_says_how_to_send_one(self, client):
        response = client.get("/api/v1/things")
        assert refused(response, 401)["detail"] == "This needs an API key. Send it as: Authorization: Bearer <key>."
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'

    @pytest.mark.parametrize("header", ["Bearer nonsense", "Basic dXNlcjpwYXNz", "Bearer", "Bearer a b", "Bearer ü"])
    def test_a_wrong_key_is_401(self, client, header):
        refused(client.get("/api/v1/things", headers={"Authorization": header}), 401)

    def test_a_revoked_key_is_401(self, api):
        revoke_api_key(key=api.key)
        assert refused(api.get("/things"), 401)["detail"] == "This API key was revoked."

    def test_a_key_works_until_its_expiry_in_real_time(self, api):
        ApiKey.objects.filter(pk=api.key.pk).update(expires_at=real_now() + timedelta(hours=1))
        data(api.get("/things"))
        with time_machine.travel(real_now() + timedelta(hours=1, seconds=1)):
            assert refused(api.get("/things"), 401)["detail"] == "This API key has expired."

    def test_the_key_itself_is_not_stored(self, api):
        assert api.token not in str(ApiKey.objects.filter(pk=api.key.pk).values())
        assert api.token.startswith(api.key.prefix)
        assert len(api.token) > 40

    def test_a_missing_scope_is_403_and_named(self):
        reader = Api("billing:read")
        data(reader.get("/things"))
        assert refused(reader.post("/things", THING), 403)["detail"] == (
            "This API key lacks the scope billing:write. Nothing was changed."
        )
        assert not Group.objects.exists()

    def test_last_use_is_written_at_most_once_a_minute(self, api):
        start = real_now()
        with time_machine.travel(start, tick=False):
            data(api.get("/things"))
            assert ApiKey.objects.get().last_used_at == start
        with time_machine.travel(start + timedelta(seconds=59), tick=False):
            data(api.get("/things"))
            assert ApiKey.objects.get().last_used_at == start
        with time_machine.travel(start + timedelta(seconds=61), tick=False):
            data(api.get("/things"))
            assert ApiKey.objects.get().last_used_at == start + timedelta(seconds=61)

    def test_ensuring_a_given_key_twice_makes_one_that_works(self, client, db):
        ensure_api_key(token="local-development")
        revoke_api_key(key=ensure_api_key(token="local-development"))
        ensure_api_key(token="local-development")
        assert ApiKey.objects.count() == 1
        assert ApiKey.objects.get().prefix == "loca"
        data(client.get("/api/v1/things", headers={"Authorization": "Bearer local-development"}))


class TestErrors:
    def test_fields_at_fault_are_named_by_their_dotted_wire_path(self, api):
        body = {"sortKey": "Not A Key", "startsAt": "2026-03-17T00:00:00", "parts": [{"unitPrice": "1"}, {}]}
        response = api.post("/things", body)
        assert fields_at_fault(response) == {
            "fullName": "required",
            "sortKey": "bad_key",
            "startsAt": "invalid",
            "parts.1.unitPrice": "required",
        }
        assert refused(response, 400)["title"] == "Bad Request"
        assert "fullName: This field is required." in refused(response, 400)["detail"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("startsAt", "2026-02-30T00:00:00Z"),
            ("startsAt", "2026-03-17"),
            ("startsAt", 1773705600),
            ("startsAt", "9999-12-31T23:59:59-23:00"),
            ("startsAt", "0001-01-01T00:00:00+23:00"),
            ("ownerId", "acme"),
            ("ownerId", 7),
            ("billingCadence", "1 month"),
            ("billingCadence", "P"),
            ("billingCadence", "PT"),
            ("share", "50"),
            ("share", True),
            ("fullName", 12),
            ("fullName", "x" * 81),
            ("fullName", "  "),
            ("sortKey", "a__b"),
        ],
    )
    def test_a_value_of_the_wrong_type_is_400_at_its_field(self, api, field, value):
        assert list(fields_at_fault(api.post("/things", THING | {field: value}))) == [field]

    @pytest.mark.parametrize(
        "value", ["1e5", "", "1,5", "NaN", "Infinity", "-1", "0.0000000000001", "9" * 16, "٣", True]
    )
    def test_a_bad_price_is_400_at_its_field(self, api, value):
        response = api.post("/things", THING | {"parts": [{"unitPrice": value}]})
        assert list(fields_at_fault(response)) == ["parts.0.unitPrice"]

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"",
            b"[]",
            b"12",
            b'{"fullName": NaN}',
            b'{"share": Infinity}',
            b'{"share": 1e999}',
            b'{"share": ' + b"9" * 5000 + b"}",
            b'{"fullName": "a\\u0000b"}',
            b'{"fullName": "a\\ud800b"}',
            b'{"fullName": "caf\xe9"}',
            b'{"a":' * 65 + b"1" + b"}" * 65,
            b"[" * 100_000,
        ],
        ids=range(13),
    )
    def test_a_body_that_cant_be_read_is_400(self, api, body):
        refused(api.post("/things", body), 400)
        assert not Group.objects.exists()

    def test_an_escaped_backslash_before_u0000_is_an_ordinary_text(self, api):
        assert data(api.post("/things", b'{"fullName": "a\\\\u0000b"}'), 201)["fullName"] == "a\\u0000b"

    def test_an_error_of_a_service_keeps_its_code_message_and_fields(self, api):
        body = refused(api.post("/things", {"fullName": "late failure"}), 400)
        assert body["type"] == "urn:countinghouse:error:late"
        assert body["detail"] == "Too late. Nothing was stored."
        assert body["extensions"]["validationErrors"] == [
            {"code": "too_late", "field": "fullName", "message": "Can't be late."}
        ]

    def test_an_unexpected_error_is_logged_with_its_id_and_tells_the_caller_nothing_else(self, db, caplog):
        body = refused(Api(raise_errors=False).post("/things", {"fullName": "crash"}), 500)
        error_id = body["instance"].removeprefix("urn:request:")
        assert error_id in body["detail"]
        assert "secret" not in str(body)
        assert any(error_id in record.getMessage() and record.exc_info for record in caplog.records)

    def test_wrong_address_method_and_media_type_are_problem_details(self, api, client):
        refused(api.get("/nothing"), 404)
        refused(api.get("/things/a%00b"), 404)
        refused(api.call("PATCH", "/things", {}), 405)
        refused(api.call("OPTIONS", "/things"), 405)
        refused(api.post("/things", "name: Bolt", content_type="text/yaml"), 415)

    def test_another_host_and_too_many_parameters_are_problem_details(self, api, settings):
        settings.ALLOWED_HOSTS = ["billing.example"]
        refused(api.get("/things"), 400)
        settings.ALLOWED_HOSTS = ["*"]
        refused(api.get("/things?" + "page=1&" * 1100), 400)
        assert list(fields_at_fault(api.get("/things?orderBy=%ff"))) == ["orderBy"]

    def test_a_caller_that_accepts_nothing_we_have_gets_json(self, api):
        assert api.get("/things", Accept="text/html").headers["Content-Type"] == "application/json"
        refused(api.get("/nothing", Accept="text/html"), 404)

    def test_what_comes_without_tls_is_refused_and_not_redirected(self, api, settings):
        settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
        for answer in (api.get("/things"), api.post("/things", THING), api.get("/nothing")):
            assert "over https" in refused(answer, 403)["detail"]
        assert api.get("/things", X_Forwarded_Proto="https").status_code == 200

    def test_a_body_above_the_limit_is_413(self, api, settings):
        settings.API_MAX_BODY_BYTES = 100
        refused(api.post("/things", {"fullName": "x" * 100}), 413)
        data(api.post("/things", THING), 201)

    def test_a_body_in_chunks_is_411(self, api, rf):
        request = rf.post("/api/v1/things", headers={"Transfer-Encoding": "chunked"})
        request.META["CONTENT_LENGTH"] = ""
        answer: Any = ApiMiddleware(lambda request: pytest.fail("It was let through."))(request)
        refused(answer, 411)


class TestValues:
    def test_numbers_stay_exact_and_absent_is_not_null(self, api):
        sent = b'{"fullName": "Bolt", "share": 12345678901234567.25, "parts": [{"unitPrice": "0.000000000001"}]}'
        response = api.post("/things", sent)
        assert response.content == (
            b'{"fullName":"Bolt","billingCadence":null,"share":12345678901234567.25,'
            b'"parts":[{"unitPrice":"0.000000000001"}]}'
        )
        assert response.headers["Content-Type"] == "application/json"

    def test_times_are_utc_and_null_counts_as_absent(self, api):
        body = THING | {"startsAt": "2026-03-17T01:30:00.123456+01:00", "ownerId": None, "billingCadence": None}
        assert data(api.post("/things", body), 201) == {
            "fullName": "Bolt",
            "startsAt": "2026-03-17T00:30:00.123456Z",
            "billingCadence": None,
        }


class TestLists:
    @pytest.fixture(autouse=True)
    def groups(self, db):
        Group.objects.bulk_create(Group(name=f"g{n}") for n in range(5))

    def names(self, page):
        return [item["name"] for item in page["items"]]

    def test_a_page_says_how_many_there_are(self, api):
        page = data(api.get("/things?page=2&pageSize=2"))
        assert {k: page[k] for k in ("totalCount", "page", "pageSize")} == {"totalCount": 5, "page": 2, "pageSize": 2}
        assert self.names(page) == ["g2", "g3"]

    def test_a_page_beyond_the_end_is_empty(self, api):
        assert data(api.get("/things?page=9")) == {"totalCount": 5, "page": 9, "pageSize": 100, "items": []}

    @pytest.mark.parametrize(
        ("query", "field"),
        [("page=3&pageSize=1000", "page"), (f"page={10**9}", "page"), ("offset=1001&limit=1000", "offset")],
    )
    def test_a_list_is_read_no_deeper_than_the_setting_says(self, api, settings, query, field):
        settings.API_LIST_DEPTH = 2000
        assert self.names(data(api.get("/things?page=2&pageSize=1000"))) == []
        assert data(api.get("/things?offset=1000&limit=1000")) == []
        with CaptureQueriesContext(connection) as queries:
            answer = refused(api.get(f"/things?{query}"), 400)
        assert not [sent for sent in queries.captured_queries if "auth_group" in sent["sql"]]
        [problem] = answer["extensions"]["validationErrors"]
        assert (problem["code"], problem["field"]) == ("too_deep", field)
        assert problem["message"].endswith(
            "and a list is read as far as row 2,000. Narrow the list, or read it from its other end (order, orderBy)."
        )

    def test_without_page_some_lists_are_bare_arrays(self, api):
        assert data(api.get("/things?limit=2&offset=1")) == [{"name": "g1"}, {"name": "g2"}]

    def test_order(self, api):
        assert self.names(data(api.get("/things?page=1&orderBy=name&order=DESC")))[0] == "g4"

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=x", "page"),
            ("page=²", "page"),
            ("page=99999999999999999999", "page"),
            ("page=1&pageSize=1001", "pageSize"),
            ("page=1&pageSize=0", "pageSize"),
            ("orderBy=password", "orderBy"),
            ("order=up", "order"),
            ("limit=1001", "limit"),
            ("offset=-1", "offset"),
        ],
    )
    def test_a_bad_page_or_order_is_400(self, api, query, field):
        assert list(fields_at_fault(api.get(f"/things?{query}"))) == [field]


class TestIdempotencyKey:
    def test_the_same_request_again_gets_the_first_answer_and_writes_nothing(self, api):
        first = api.post("/things", THING, Idempotency_Key="k1")
        again = api.post("/things", THING, Idempotency_Key="k1")
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["Content-Type"] == "application/json"
        assert again.headers["Idempotent-Replayed"] == "true"
        assert Group.objects.count() == 1

    def test_the_same_key_with_another_body_is_409(self, api):
        data(api.post("/things", THING, Idempotency_Key="k1"), 201)
        refused(api.post("/things", {"fullName": "Nut"}, Idempotency_Key="k1"), 409)
        assert Group.objects.count() == 1

    def test_another_caller_may_use_the_same_key(self, api):
        data(api.post("/things", THING, Idempotency_Key="k1"), 201)
        data(Api().post("/things", {"fullName": "Nut"}, Idempotency_Key="k1"), 201)

    def test_a_refused_request_leaves_no_trace_and_can_be_corrected(self, api):
        refused(api.post("/things", {"fullName": "late failure"}, Idempotency_Key="k1"), 400)
        assert not Group.objects.exists()
        assert not IdempotentResponse.objects.exists()
        data(api.post("/things", THING, Idempotency_Key="k1"), 201)

    def test_a_key_of_another_scope_or_none_is_refused_as_ever(self, client):
        refused(
            client.post("/api/v1/things", "{}", content_type="application/json", headers={"Idempotency-Key": "k"}), 401
        )
        refused(Api("billing:read").post("/things", THING, Idempotency_Key="k1"), 403)

    def test_a_key_that_is_too_long_is_400(self, api):
        refused(api.post("/things", THING, Idempotency_Key="k" * 256), 400)

    def test_answers_are_forgotten_after_a_week(self, api):
        data(api.post("/things", THING, Idempotency_Key="k1"), 201)
        assert purge_idempotent_responses() == 0
        with time_machine.travel(real_now() + timedelta(days=7, seconds=1)):
            assert purge_idempotent_responses() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_equal_requests_at_once_one_writes_and_both_get_its_answer():
    api = Api()
    barrier, answers = threading.Barrier(2), []

    def call():
        barrier.wait()
        answers.append(api.post("/things", THING, Idempotency_Key="k1"))
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert Group.objects.count() == 1


class TestRateLimit:
    def test_a_key_above_its_limit_gets_429_and_when_to_come_back(self, api, settings):
        settings.API_RATE_LIMIT = "2/min"
        other = Api()
        with time_machine.travel("2026-03-17T00:00:50Z", tick=False):
            data(api.get("/things"))
            data(api.get("/things"))
            response = api.get("/things")
            assert refused(response, 429)["detail"] == "Too many requests with this API key. Try again in 10 seconds."
            assert response.headers["Retry-After"] == "10"
            data(other.get("/things"))
        with time_machine.travel("2026-03-17T00:01:00Z", tick=False):
            data(api.get("/things"))
