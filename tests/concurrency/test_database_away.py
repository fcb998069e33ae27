"""A request that loses its database on the way is answered so that it can be sent again, and leaves nothing behind."""

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, transaction
from django.test import RequestFactory

from billing_site.rest.error_pages import server_error
from tests.support.api import Api, data, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.api.sample_urls")]


def test_it_can_be_sent_again_in_some_seconds():
    api = Api(raise_errors=False)
    answer = api.post("/things", {"fullName": "lost connection"}, Idempotency_Key="1")
    assert refused(answer, 503)["type"] == "urn:countinghouse:error:unavailable"
    assert answer.headers["Retry-After"] == "2"
    assert "nothing is then done twice" in refused(answer, 503)["detail"]
    assert not Group.objects.filter(name="lost connection").exists()

    Group.objects.filter(name="Bolt").delete()
    data(api.post("/things", {"fullName": "Bolt"}, Idempotency_Key="2"), 201)
    assert Group.objects.filter(name="Bolt").count() == 1


def test_outside_of_any_view_too():
    request = RequestFactory().get("/api/v1/things")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    except OperationalError:
        answer = server_error(request)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        assert server_error(request).status_code == 500
