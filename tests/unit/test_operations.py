"""What an endpoint knows is worked out by one thread at a time: the library that does it bears no two at first."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from billing_site.rest import schema_views
from core.rest import operations
from core.rest.operations import Operation, operation_of


def test_the_first_requests_of_a_process_describe_their_endpoints_one_after_the_other(monkeypatch):
    under_way, most, described = [], [], []

    def describe(what):
        under_way.append(what)
        most.append(len(under_way))
        described.append(what)
        time.sleep(0.01)
        under_way.remove(what)

    class Generator:
        def get_schema(self, **asked):
            describe("the schema")
            return {}

    monkeypatch.setattr(operations, "_known", {})
    monkeypatch.setattr(
        operations, "_described", lambda view, method: describe(view.action) or Operation({}, reads_body=False)
    )
    monkeypatch.setattr(schema_views, "SchemaGenerator", Generator)
    views = [SimpleNamespace(action=f"act{number}") for number in (0, 0, 1, 1, 2)]
    together = threading.Barrier(len(views) + 1)

    def ask(act):
        together.wait(timeout=10)
        act()

    acts = [lambda view=view: operation_of(view, "GET") for view in views] + [schema_views._drawn.__wrapped__]
    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(ask, acts))
    assert max(most) == 1
    assert sorted(described) == ["act0", "act1", "act2", "the schema"]
