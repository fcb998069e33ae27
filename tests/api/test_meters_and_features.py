import pytest

from entitlements.models import Feature, Meter
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_feature, make_meter

pytestmark = pytest.mark.django_db

TOKENS = {
    "slug": "tokens",
    "name": "Tokens",
    "aggregation": "SUM",
    "eventType": "prompt",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}


class TestMeters:
    def test_what_was_sent_is_shown_under_id_and_slug(self, api):
        created = data(api.post("/meters", TOKENS), 201)
        assert {name: created[name] for name in TOKENS} == TOKENS
        assert data(api.get("/meters/tokens")) == created
        assert data(api.get(f"/meters/{created['id']}")) == created
        assert data(api.get("/meters")) == [created]

    def test_a_count_reads_no_value_and_the_name_defaults_to_the_slug(self, api):
        body = {"slug": "calls", "aggregation": "COUNT", "eventType": "call", "valueProperty": "$.ignored"}
        created = data(api.post("/meters", body), 201)
        assert created["name"] == "calls"
        assert "valueProperty" not in created

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"slug": "Tokens!"}, "slug"),
            ({"slug": None}, "slug"),
            ({"aggregation": "MEDIAN"}, "aggregation"),
            ({"eventType": ""}, "eventType"),
            ({"valueProperty": None}, "valueProperty"),
            ({"valueProperty": "tokens"}, "valueProperty"),
            ({"valueProperty": "$..tokens"}, "valueProperty"),
            ({"valueProperty": "$.a[?(@.b)]"}, "valueProperty"),
            ({"groupBy": {"model": "model"}}, "groupBy.model"),
            ({"groupBy": {"subject": "$.subject"}}, "groupBy"),
            ({"groupBy": {"a b": "$.a"}}, "groupBy"),
            ({"eventFrom": "yesterday"}, "eventFrom"),
        ],
    )
    def test_a_bad_field_is_400_and_stores_nothing(self, api, change, field):
        assert list(fields_at_fault(api.post("/meters", TOKENS | change))) == [field]
        assert not Meter.objects.exists()

    def test_a_slug_in_use_is_409_until_its_meter_is_deleted(self, api):
        created = data(api.post("/meters", TOKENS), 201)
        refused(api.post("/meters", TOKENS), 409)
        data(api.delete("/meters/tokens"), 204)
        refused(api.get("/meters/tokens"), 404)
        assert data(api.get(f"/meters/{created['id']}"))["deletedAt"]
        assert data(api.get("/meters")) == []
        assert len(data(api.get("/meters?includeDeleted=true"))) == 1
        data(api.post("/meters", TOKENS), 201)

    def test_a_meter_that_a_feature_uses_cant_be_deleted(self, api):
        make_feature(key="chat", meter=make_meter())
        assert "chat" in refused(api.delete("/meters/usage"), 409)["detail"]
        data(api.get("/meters/usage"))

    def test_what_it_measures_stays_when_the_rest_is_replaced(self, api):
        data(api.post("/meters", TOKENS), 201)
        body = {"description": "All models", "groupBy": {"kind": "$.kind"}, "aggregation": "COUNT"}
        shown = data(api.put("/meters/tokens", body))
        assert (shown["name"], shown["description"], shown["groupBy"]) == ("tokens", "All models", {"kind": "$.kind"})
        assert (shown["aggregation"], shown["valueProperty"]) == ("SUM", "$.tokens")

    def test_a_dimension_that_a_feature_filters_by_must_stay(self, api):
        make_feature(meter=make_meter(group_by={"model": "$.model"}), meter_filters={"model": ["gpt-4"]})
        assert fields_at_fault(api.put("/meters/usage", {"groupBy": {}})) == {"groupBy": "in_use"}


class TestFeatures:
    @pytest.fixture(autouse=True)
    def meter(self, db):
        return make_meter(key="tokens", group_by={"model": "$.model", "kind": "$.kind"})

    def test_a_metered_feature_shows_its_meter_and_filters(self, api):
        body = {
            "key": "gpt_4",
            "name": "GPT-4",
            "meterSlug": "tokens",
            "meterGroupByFilters": {"kind": "input"},
            "metadata": {"team": "ai"},
        }
        created = data(api.post("/features", body), 201)
        assert {name: created[name] for name in body} == body
        assert created["advancedMeterGroupByFilters"] == {"kind": {"$eq": "input"}}
        assert data(api.get("/features/gpt_4")) == created
        assert data(api.get(f"/features/{created['id']}")) == created

    def test_a_filter_may_allow_several_values(self, api):
        filters = {"model": {"$in": ["gpt-4", "gpt-4o"]}}
        body = {"key": "gpt", "name": "GPT", "meterSlug": "tokens", "advancedMeterGroupByFilters": filters}
        created = data(api.post("/features", body), 201)
        assert created["advancedMeterGroupByFilters"] == filters
        assert "meterGroupByFilters" not in created

    def test_the_list_is_a_bare_array_unless_a_page_is_asked_for(self, api):
        data(api.post("/features", {"key": "chat", "name": "Chat"}), 201)
        assert [feature["key"] for feature in data(api.get("/features"))] == ["chat"]
        page = data(api.get("/features?page=1&pageSize=10"))
        assert (page["totalCount"], page["items"][0]["key"]) == (1, "chat")

    def test_the_list_can_be_narrowed_to_meters(self, api):
        make_feature(key="storage")
        make_feature(key="tokens_in", meter=Meter.objects.get())
        assert [feature["key"] for feature in data(api.get("/features?meterSlug=tokens&meterSlug=other"))] == [
            "tokens_in"
        ]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"key": "Bad Key"}, "key"),
            ({"name": None}, "name"),
            ({"meterSlug": "nothing"}, "meterSlug"),
            ({"meterGroupByFilters": {"region": "eu"}}, "meterGroupByFilters.region"),
            ({"meterSlug": None, "meterGroupByFilters": {"kind": "input"}}, "meterGroupByFilters"),
            ({"advancedMeterGroupByFilters": {"kind": {"$like": "in%"}}}, "advancedMeterGroupByFilters"),
            ({"meterGroupByFilters": {"kind": 1}}, "meterGroupByFilters"),
        ],
    )
    def test_a_bad_field_is_400_and_stores_nothing(self, api, change, field):
        body = {"key": "chat", "name": "Chat", "meterSlug": "tokens"} | change
        assert list(fields_at_fault(api.post("/features", body))) == [field]
        assert not Feature.objects.exists()

    def test_deleting_archives_and_frees_the_key(self, api):
        body = {"key": "chat", "name": "Chat"}
        created = data(api.post("/features", body), 201)
        refused(api.post("/features", body), 409)
        data(api.delete("/features/chat"), 204)
        refused(api.delete("/features/chat"), 404)
        assert data(api.get(f"/features/{created['id']}"))["archivedAt"]
        assert data(api.get("/features")) == []
        assert len(data(api.get("/features?includeArchived=true"))) == 1
        data(api.post("/features", body), 201)
