"""What a request costs before its view: one look at the key in half a second, one round trip to Redis, none to see
whether the connection still stands."""

import threading
import time
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Connection, Redis

from billing_site.access.known_keys import forget_keys
from billing_site.access.secrets import digest_of
from billing_site.access.services.revoke_api_key import revoke_api_key
from billing_site.settings import base
from tests.support.api import Api, data, refused

THINGS = "/meters"


@pytest.fixture
def remembering(settings):
    settings.API_KEY_MEMORY_SECONDS = base.API_KEY_MEMORY_SECONDS
    forget_keys()
    yield
    forget_keys()


class TestKey:
    def test_the_key_is_read_once_and_believed_for_a_moment(self, api, remembering, settings):
        def looks_at_the_key():
            with CaptureQueriesContext(connection) as queries:
                data(api.get(THINGS))
            return sum('FROM "access_apikey"' in query["sql"] for query in queries)

        settings.API_KEY_MEMORY_SECONDS = 60  # whatever this machine is busy with
        assert [looks_at_the_key() for _ in range(3)] == [1, 0, 0]

    def test_its_last_use_is_noted_once_however_often_it_is_remembered(self, api, remembering):
        data(api.get(THINGS))
        api.key.refresh_from_db()
        noted = api.key.last_used_at
        data(api.get(THINGS))
        api.key.refresh_from_db()
        assert api.key.last_used_at == noted is not None

    def test_a_revoked_key_is_refused_within_a_second(self, api, remembering):
        data(api.get(THINGS))
        revoke_api_key(key=api.key)
        revoked = time.monotonic()
        time.sleep(revoked + 1 - time.monotonic())
        assert refused(api.get(THINGS), 401)["detail"] == "This API key was revoked."

    def test_a_key_that_is_not_there_is_not_remembered(self, api, remembering):
        new = Api()
        token, new.token = new.token, "ch_guess"
        assert refused(new.get(THINGS), 401)["detail"] == "There is no such API key."
        new.key.digest = "0" * 64
        new.key.save()
        new.token = token
        assert refused(new.get(THINGS), 401)["detail"] == "There is no such API key."
        new.key.digest = digest_of(token)
        new.key.save()
        data(new.get(THINGS))


class TestRateLimit:
    def test_a_request_is_counted_in_one_round_trip(self, api, settings, monkeypatch):
        settings.API_RATE_LIMIT = "1000/h"
        data(api.get(THINGS))
        sent: list[Any] = []
        send = Connection.send_packed_command

        def noting(self, command, *rest, **named):
            sent.append(command)
            return send(self, command, *rest, **named)

        monkeypatch.setattr(Connection, "send_packed_command", noting)
        data(api.get(THINGS))
        assert len(sent) == 1

    def test_the_count_ends_by_itself(self, api, settings):
        settings.API_RATE_LIMIT = "1000/h"
        data(api.get(THINGS))
        redis = Redis.from_url(configured.REDIS_URL)
        (bucket,) = redis.keys(f"api-rate:{api.key.pk}:*")
        assert 3600 < redis.ttl(bucket) <= 7200

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_exactly_the_limit_passes(self, settings):
        settings.API_RATE_LIMIT = "25/h"
        api, statuses = Api(), []

        def call():
            for _ in range(10):
                statuses.append(api.get(THINGS).status_code)
            connection.close()

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (statuses.count(200), statuses.count(429)) == (25, 15)


@pytest.mark.django_db(transaction=True)
class TestConnection:
    def backend(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return cursor.fetchone()[0]

    def test_a_kept_connection_that_stands_is_used_again_without_asking_the_server(self):
        first = self.backend()
        assert connection.is_usable()
        assert self.backend() == first

    def test_one_whose_server_has_ended_is_not_used_again(self):
        ended = self.backend()
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
        other.close()
        assert not connection.is_usable()
        kept: Any = connection
        kept.health_check_enabled, kept.health_check_done = True, False
        kept.close_if_health_check_failed()
        assert self.backend() != ended

    def test_nor_one_that_was_closed(self):
        self.backend()
        connection.connection.close()
        assert not connection.is_usable()
        connection.close()
