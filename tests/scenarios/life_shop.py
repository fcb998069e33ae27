"""What the stories of `life` sell: plans of every kind, an add-on, coupons; at odd prices, so that much rounds."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from entitlements.models import Feature
from subscriptions.models import AddOn, AddOnRateCard, Coupon, Plan, PlanAddOn
from tests.support.catalog import flat_card, make_feature, make_meter, make_plan, usage_card


def fee(amount: str, term: str = "in_advance") -> dict[str, Any]:
    return {"type": "flat", "amount": amount, "paymentTerm": term}


class Shop:
    """Everything is priced in `currency`. A shop `beside` another one sells the same features, by keys of its own."""

    def __init__(self, currency: str, *, calls: Feature | None = None, beside: "Shop | None" = None) -> None:
        self.currency = currency
        self.suffix = "" if beside is None else f"_{currency.lower()}"
        if beside is None:
            self.feature = calls or make_feature(key="calls", name="Calls", meter=make_meter())
            self.reported = make_feature()
        else:
            self.feature, self.reported = beside.feature, beside.reported
        self.plans = self._plans()
        self.addon = self._addon()
        self.coupons: list[Coupon] = self._percentages() if beside is None else beside.coupons[:2]
        self.coupons.append(
            Coupon.objects.create(
                code=f"FIVE{self.suffix.upper()}",
                name="Five",
                amount=self.price(Decimal(5)),
                currency=currency,
                periods=2,
            )
        )

    def _percentages(self) -> list[Coupon]:
        return [
            Coupon.objects.create(code="HALF", name="Half", percentage=Decimal(50), periods=None),
            Coupon.objects.create(code="TENTH", name="A tenth", percentage=Decimal("10.5"), periods=1),
        ]

    def price(self, amount: Decimal) -> Decimal:
        return amount * 100 if self.currency == "JPY" else amount

    def _fee(self, amount: str, term: str = "in_advance") -> dict[str, Any]:
        return fee(str(self.price(Decimal(amount))), term)

    def _usage(self, **overrides: Any) -> dict[str, Any]:
        return usage_card(key="calls", name="Calls", feature=self.feature, **overrides)

    def _plans(self) -> list[Plan]:
        unit, step = str(self.price(Decimal("0.35"))), str(self.price(Decimal("0.2")))
        graduated = {
            "type": "tiered",
            "mode": "graduated",
            "tiers": [
                {"upToAmount": "10", "flatPrice": {"type": "flat", "amount": str(self.price(Decimal(3)))}},
                {"upToAmount": "30", "unitPrice": {"type": "unit", "amount": unit}},
                {"unitPrice": {"type": "unit", "amount": step}},
            ],
        }
        limited = {
            "type": "unit",
            "amount": unit,
            "minimumAmount": str(self.price(Decimal(4))),
            "maximumAmount": str(self.price(Decimal(20))),
        }
        excess = {"type": "package", "amount": unit, "quantityPerPackage": "7"}
        common: dict[str, Any] = {"currency": self.currency}
        basic = make_plan(
            key=f"basic{self.suffix}",
            name="Basic",
            cards=(
                flat_card(key="seats", name="Seats", price=self._fee("9.99")),
                flat_card(key="support", name="Support", price=self._fee("4.99", "in_arrears")),
                self._usage(price=graduated, discounts={"usage": {"quantity": "20"}, "percentage": {"percentage": 10}}),
            ),
            **common,
        )
        pro = make_plan(
            key=f"pro{self.suffix}",
            name="Pro",
            cards=(
                flat_card(key="setup", name="Set-up", billing_cadence=None, price=self._fee("7")),
                flat_card(
                    key="seats", name="Seats", price=self._fee("29.90"), discounts={"percentage": {"percentage": 15}}
                ),
                self._usage(price=limited),
                usage_card(key="storage", name="Storage", feature=self.reported, price=excess),
            ),
            **common,
        )
        yearly = make_plan(
            key=f"yearly{self.suffix}",
            name="Yearly",
            billing_cadence="P1Y",
            cards=(
                flat_card(key="seats", name="Seats", billing_cadence="P1Y", price=self._fee("365.00")),
                self._usage(price=excess, billing_cadence="P1M"),
            ),
            **common,
        )
        ramp = make_plan(
            {
                "key": "trial",
                "duration": "P1M",
                "cards": (flat_card(key="seats", name="Seats", price=self._fee("1.00")),),
            },
            {
                "key": "paid",
                "cards": (
                    flat_card(key="seats", name="Seats", price=self._fee("19.99")),
                    self._usage(price=excess, billing_cadence="P1W"),
                ),
            },
            key=f"ramp{self.suffix}",
            name="Ramp",
            **common,
        )
        whole = make_plan(
            key=f"whole{self.suffix}",
            name="Whole",
            pro_rating_enabled=False,
            cards=(flat_card(key="seats", name="Seats", price=self._fee("12.34")), self._usage(price=graduated)),
            **common,
        )
        return [basic, pro, yearly, ramp, whole]

    def _addon(self) -> AddOn:
        addon = AddOn.objects.create(
            key=f"extra{self.suffix}",
            name="Extra",
            currency=self.currency,
            instance_type="multiple",
            effective_from=datetime.fromisoformat("2019-01-01T00:00:00+00:00"),
        )
        AddOnRateCard.objects.create(
            addon=addon, position=0, **flat_card(key="extra", name="Extra", price=self._fee("3.33"))
        )
        for plan in self.plans:
            PlanAddOn.objects.create(plan=plan, addon=addon, from_plan_phase=plan.phases.first().key)
        return addon
