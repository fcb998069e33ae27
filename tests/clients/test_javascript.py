from decimal import Decimal
from itertools import chain

import pytest

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]

ACME = {"name": "Acme", "key": "acme", "currency": "EUR", "usageAttribution": {"subjectKeys": ["acme-eu"]}}
TOKENS = {
    "slug": "tokens",
    "aggregation": "SUM",
    "eventType": "prompt",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
GOLD = {
    "key": "gold",
    "name": "Gold",
    "currency": "EUR",
    "billingCadence": "P1M",
    "phases": [
        {
            "key": "main",
            "name": "Main",
            "duration": None,
            "rateCards": [
                {
                    "type": "flat_fee",
                    "key": "base",
                    "name": "Base",
                    "billingCadence": "P1M",
                    "price": {"type": "flat", "amount": "29.90", "paymentTerm": "in_advance"},
                },
                {
                    "type": "usage_based",
                    "key": "tokens",
                    "name": "Tokens",
                    "featureKey": "tokens",
                    "billingCadence": "P1M",
                    "price": {"type": "unit", "amount": "0.25"},
                    "discounts": {"usage": {"quantity": "100"}},
                },
            ],
        }
    ],
}


def test_customers(js):
    answer = js(
        """
        const created = await openmeter.customers.create(input.acme)
        const updated = await openmeter.customers.update('acme', { ...created, name: 'Acme Ltd' })
        const listed = await openmeter.customers.list({ name: 'LTD', page: 1, pageSize: 10, order: 'DESC' })
        await openmeter.customers.delete(created.id)
        const deleted = await openmeter.customers.get(created.id)
        return {
          created, updated, listed, deleted,
          dates: [created.createdAt, deleted.deletedAt].map((date) => date instanceof Date),
        }
        """,
        acme=ACME,
    )
    assert {name: answer["created"][name] for name in ACME} == ACME
    assert answer["updated"]["name"] == "Acme Ltd"
    assert (answer["listed"]["totalCount"], answer["listed"]["items"][0]["id"]) == (1, answer["created"]["id"])
    assert answer["dates"] == [True, True]


def test_meters_features_and_usage(js):
    answer = js(
        """
        await openmeter.customers.create(input.acme)
        const meter = await openmeter.meters.create(input.tokens)
        const feature = await openmeter.features.create({
          key: 'tokens', name: 'Tokens', meterSlug: 'tokens', meterGroupByFilters: { model: 'gpt-4' },
        })
        const use = (id, tokens, model) =>
          ({ id, type: 'prompt', subject: 'acme-eu', time: new Date('2026-03-17T08:30:00Z'), data: { tokens, model } })
        await openmeter.events.ingest(use('1', 100, 'gpt-4'))
        await openmeter.events.ingest([use('1', 100, 'gpt-4'), use('2', 20.5, 'gpt-4'), use('3', '7', 'gpt-3.5')])
        const [meters, features, events] = [
          await openmeter.meters.list(), await openmeter.features.list(),
          await openmeter.events.list({ from: new Date('2026-03-17T00:00:00Z'), limit: 10 }),
        ]
        const query = { from: new Date('2026-03-01T00:00:00Z'), to: new Date('2026-04-01T00:00:00Z') }
        const total = await openmeter.meters.query('tokens', query)
        const narrowed = await openmeter.meters.query('tokens', {
          ...query, windowSize: 'DAY', groupBy: ['model'], filterGroupBy: { model: 'gpt-4' }, subject: ['acme-eu'],
        })
        await openmeter.features.delete(feature.id)
        await openmeter.meters.delete('tokens')
        return { meter, feature, meters, features, events, total, narrowed, left: await openmeter.meters.list() }
        """,
        acme=ACME,
        tokens=TOKENS,
    )
    assert {name: answer["meter"][name] for name in TOKENS} == TOKENS
    assert answer["feature"]["meterGroupByFilters"] == {"model": "gpt-4"}
    assert [len(answer[name]) for name in ("meters", "features", "events", "left")] == [1, 1, 3, 0]
    assert len(answer["events"][0]["customerId"]) == 26
    assert [row["value"] for row in answer["total"]["data"]] == [Decimal("127.5")]
    assert [(row["value"], row["groupBy"]) for row in answer["narrowed"]["data"]] == [
        (Decimal("120.5"), {"model": "gpt-4"})
    ]


def test_plans(js):
    answer = js(
        """
        await openmeter.meters.create(input.tokens)
        await openmeter.features.create({ key: 'tokens', name: 'Tokens', meterSlug: 'tokens' })
        const draft = await openmeter.plans.create(input.gold)
        const changed = await openmeter.plans.update(draft.id, { ...input.gold, name: 'Gold Plus' })
        const published = await openmeter.plans.publish(draft.id)
        const listed = await openmeter.plans.list({ key: ['gold'], status: ['active'] })
        const second = await openmeter.plans.create(input.gold)
        await openmeter.plans.delete(second.id)
        const archived = await openmeter.plans.archive(draft.id)
        return { draft, changed, published, listed, second, archived }
        """,
        tokens=TOKENS,
        gold=GOLD,
    )
    assert [answer[name]["status"] for name in ("draft", "published", "archived")] == ["draft", "active", "archived"]
    assert answer["changed"]["name"] == "Gold Plus"
    assert answer["listed"]["totalCount"] == 1
    assert answer["second"]["version"] == 2
    (phase,) = answer["draft"]["phases"]
    assert phase["duration"] is None
    assert [card["price"] for card in phase["rateCards"]] == [
        {"type": "flat", "amount": "29.90", "paymentTerm": "in_advance"},
        {"type": "unit", "amount": "0.25"},
    ]


def test_a_wrong_body_gives_the_problem_detail(js):
    error = js("return openmeter.customers.create({ key: 'acme', currency: 'euro' })")["error"]
    assert (error["name"], error["status"], error["title"]) == ("HTTPError", 400, "Bad Request")
    assert error["message"].endswith(
        "[400]: name: This field is required. currency: Not a currency code of three capital letters, for example EUR."
    )
    assert [problem["field"] for problem in error["extensions"]["validationErrors"]] == ["name", "currency"]


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        ("openmeter.customers.get('nobody')", 404, "There is no customer nobody."),
        ("openmeter.plans.publish('01G65Z755AFWAKHE12NY0CQ9FH')", 404, "There is no plan"),
        ("openmeter.events.ingest({ type: 'prompt', subject: '' })", 400, "0.subject"),
        ("openmeter.plans.create({ ...input.gold, currency: 'XXX' })", 400, "currency"),
        ("openmeter.meters.create({ ...input.tokens, aggregation: 'MEDIAN' })", 400, "aggregation"),
        ("new OpenMeter({ baseUrl: process.env.BASE_URL, apiKey: 'wrong' }).customers.list()", 401, "no such API key"),
    ],
)
def test_a_refusal_says_what_is_wrong(js, call, status, said):
    error = js(f"return {call}", gold=GOLD, tokens=TOKENS)["error"]
    assert error["status"] == status
    assert said in error["message"]


def test_events_page_by_page(js):
    answer = js(
        """
        const use = (id, subject) => ({ id, type: 'prompt', subject, time: new Date('2026-03-17T08:30:00Z'), data: {} })
        await openmeter.events.ingest([...'12345'].map((id) => use(id, 'acme')).concat(use('6', 'bolt')))
        const filter = JSON.stringify({ subject: { $eq: 'acme' }, time: { $gte: new Date('2026-03-17T00:00:00Z') } })
        const pages = []
        let cursor
        do {
          const page = await openmeter.events.listV2({ limit: 2, filter, cursor })
          pages.push(page.items.map((item) => item.event.id))
          cursor = page.nextCursor
        } while (cursor)
        const [last] = (await openmeter.events.listV2({ filter: JSON.stringify({ id: { $like: '6' } }) })).items
        return { pages, subject: last.event.subject, isDate: last.ingestedAt instanceof Date }
        """
    )
    assert [len(page) for page in answer["pages"]] == [2, 2, 1]
    assert sorted(chain.from_iterable(answer["pages"])) == ["1", "2", "3", "4", "5"]
    assert (answer["subject"], answer["isDate"]) == ("bolt", True)
