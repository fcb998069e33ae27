"""Billing profiles and overrides through the JavaScript client: what the seed of the enterprise set-up calls."""

import pytest

from core.ids import to_text
from customers.models import BillingApp
from tests.support.catalog import make_excess_plan
from tests.support.closing import make_subscriber
from tests.support.customers import make_customer

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]


def test_an_enterprise_customer_is_pinned(js):
    app = to_text(BillingApp.objects.get().pk)
    customer = to_text(make_customer().pk)
    make_customer(key="bolt", name="Bolt")
    answer = js(
        """
        const profile = await openmeter.billing.profiles.create({
          name: 'Enterprise', default: false, supplier: { name: 'My company GmbH' },
          apps: { tax: input.app, invoicing: input.app, payment: input.app },
          workflow: {
            invoicing: { autoAdvance: true, dueAfter: 'P30D' },
            payment: { collectionMethod: 'send_invoice' },
          },
        })
        const override = await openmeter.billing.customers.createOverride(
          input.customer, { billingProfileId: profile.id },
        )
        const read = await openmeter.billing.customers.getOverride(input.customer)
        const listed = await openmeter.billing.customers.listOverrides({ billingProfile: [profile.id] })
        const everyone = await openmeter.billing.customers.listOverrides({ includeAllCustomers: true })
        const refusal = await openmeter.billing.profiles.delete(profile.id).catch((error) => error.message)
        const renamed = await openmeter.billing.profiles.update(profile.id, { ...profile, name: 'Contracts' })
        await openmeter.billing.customers.deleteOverride(input.customer)
        await openmeter.billing.profiles.delete(profile.id)
        const left = await openmeter.billing.profiles.list()
        return { profile, override, read, listed, everyone, refusal, renamed, left }
        """,
        app=app,
        customer=customer,
    )
    assert answer["override"]["customerOverride"]["billingProfileId"] == answer["profile"]["id"]
    assert answer["override"]["customerProfile"]["workflow"]["payment"]["collectionMethod"] == "send_invoice"
    assert answer["read"] == answer["override"]
    assert [row["customerOverride"]["customerId"] for row in answer["listed"]["items"]] == [customer]
    assert answer["everyone"]["totalCount"] == 2
    assert "1 customer is pinned to it" in answer["refusal"]
    assert (answer["renamed"]["name"], answer["renamed"]["workflow"]) == ("Contracts", answer["profile"]["workflow"])
    assert [row["name"] for row in answer["left"]["items"]] == ["Default"]


def test_customers_are_listed_by_every_filter(js):
    """Acme and Cord are pinned to Enterprise, Bolt to the default, Dune to none."""
    app = to_text(BillingApp.objects.get().pk)
    ids = {
        name: to_text(make_customer(key=f"{name.lower()}-key", name=name, primary_email=f"pay@{name}.example").pk)
        for name in ("Acme", "Bolt", "Cord", "Dune")
    }
    answer = js(
        """
        const { items: [standard] } = await openmeter.billing.profiles.list()
        const profile = await openmeter.billing.profiles.create({
          name: 'Enterprise', default: false, supplier: { name: 'My company GmbH' },
          apps: { tax: input.app, invoicing: input.app, payment: input.app }, workflow: {},
        })
        for (const [name, to] of [['Acme', profile], ['Bolt', standard], ['Cord', profile]]) {
          await openmeter.billing.customers.createOverride(input.ids[name], { billingProfileId: to.id })
        }
        const names = async (query) => {
          const page = await openmeter.billing.customers.listOverrides(
            { orderBy: 'customerName', order: 'ASC', expand: ['customer'], ...query },
          )
          return [page.totalCount, ...page.items.map((item) => item.customer.name)].join(' ')
        }
        const all = { includeAllCustomers: true }
        return {
          pinned: await names({}),
          everyone: await names(all),
          unpinned: await names({ customersWithoutPinnedProfile: true }),
          profile: await names({ billingProfile: [profile.id] }),
          two: await names({ billingProfile: [profile.id, standard.id] }),
          default: await names({ billingProfile: [standard.id], ...all }),
          ids: await names({ customerId: [input.ids.Dune, input.ids.Acme], ...all }),
          name: await names({ customerName: 'UN', ...all }),
          key: await names({ customerKey: 'bolt-', ...all }),
          email: await names({ customerPrimaryEmail: 'cord.EXAMPLE', ...all }),
          descending: await names({ order: 'DESC' }),
          byKey: await names({ orderBy: 'customerKey', order: 'DESC', ...all }),
          byEmail: await names({ orderBy: 'customerPrimaryEmail', ...all }),
          byCreation: await names({ orderBy: 'customerCreatedAt', ...all }),
          byId: await names({ orderBy: 'customerId', order: 'DESC', ...all }),
          second: await names({ page: 2, pageSize: 1 }),
          expanded: (await openmeter.billing.customers.listOverrides({ expand: ['apps'], pageSize: 1 }))
            .items[0].customerProfile.apps.payment.name,
        }
        """,
        app=app,
        ids=ids,
    )
    assert answer == {
        "pinned": "3 Acme Bolt Cord",
        "everyone": "4 Acme Bolt Cord Dune",
        "unpinned": "1 Dune",
        "profile": "2 Acme Cord",
        "two": "3 Acme Bolt Cord",
        "default": "2 Bolt Dune",
        "ids": "2 Acme Dune",
        "name": "1 Dune",
        "key": "1 Bolt",
        "email": "1 Cord",
        "descending": "3 Cord Bolt Acme",
        "byKey": "4 Dune Cord Bolt Acme",
        "byEmail": "4 Acme Bolt Cord Dune",
        "byCreation": "4 Acme Bolt Cord Dune",
        "byId": "4 Dune Cord Bolt Acme",
        "second": "3 Bolt",
        "expanded": "Sandbox",
    }


def test_the_default_is_switched_and_what_can_not_be_is_refused(js):
    app = to_text(BillingApp.objects.get().pk)
    bank = to_text(BillingApp.objects.create(type="bank_transfer", name="Bank").pk)
    customer = to_text(make_subscriber(make_excess_plan()).pk)
    answer = js(
        """
        const refusal = (promise) => promise.then(
          () => null,
          (error) => [error.status, error.message.replace(/^.*?: /, ''), error.validationErrors?.[0]?.field ?? null],
        )
        const { items: [old] } = await openmeter.billing.profiles.list()
        const body = {
          name: 'Bank', default: true, supplier: old.supplier, workflow: {},
          apps: { tax: input.bank, invoicing: input.bank, payment: input.bank },
        }
        const made = await openmeter.billing.profiles.create(body)
        const { items } = await openmeter.billing.profiles.list({ orderBy: 'name', order: 'ASC', expand: ['apps'] })
        const kept = await openmeter.billing.customers.getOverride(input.customer)
        const refusals = {
          supplier: await refusal(openmeter.billing.profiles.create({ ...body, supplier: undefined })),
          apps: await refusal(openmeter.billing.profiles.create({ ...body, apps: { ...body.apps, tax: input.app } })),
          dueAfter: await refusal(openmeter.billing.profiles.create(
            { ...body, workflow: { invoicing: { dueAfter: 'soon' } } },
          )),
          default: await refusal(openmeter.billing.profiles.delete(made.id)),
          noDefault: await refusal(openmeter.billing.profiles.update(made.id, { ...made, default: false })),
          pinned: await refusal(openmeter.billing.profiles.delete(old.id)),
          unknown: await refusal(openmeter.billing.customers.createOverride(
            input.customer, { billingProfileId: '01G65Z755AFWAKHE12NY0CQ9FH' },
          )),
          missing: await refusal(openmeter.billing.profiles.get('01G65Z755AFWAKHE12NY0CQ9FH')),
        }
        const back = await openmeter.billing.profiles.update(old.id, { ...old, default: true })
        return { items, kept, refusals, back, old }
        """,
        app=app,
        bank=bank,
        customer=customer,
    )
    assert [(row["name"], row["default"], row["apps"]["payment"]["name"]) for row in answer["items"]] == [
        ("Bank", True, "Bank"),
        ("Default", False, "Sandbox"),
    ]
    # Whoever has a live subscription is not moved to another app by the switch.
    assert answer["kept"]["customerOverride"]["billingProfileId"] == answer["old"]["id"]
    refusals = {name: (found[0], found[1]) for name, found in answer["refusals"].items()}
    assert {name: status for name, (status, _) in refusals.items()} == {
        "supplier": 400,
        "apps": 400,
        "dueAfter": 400,
        "default": 409,
        "noDefault": 409,
        "pinned": 409,
        "unknown": 400,
        "missing": 404,
    }
    assert "Make another one the default first" in refusals["default"][1]
    assert "make another profile the default instead" in refusals["noDefault"][1]
    assert "1 customer is pinned to it" in refusals["pinned"][1]
    assert "There is no such billing profile" in refusals["unknown"][1]
    assert answer["back"]["default"] is True
