"""How the finance desk looks: its name, colours and navigation."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _item(title: str, icon: str, model: str, *, badge: str = "", read_by: str = "") -> dict[str, Any]:
    """A link to the list of `model` ("customers.customer"), for those who may read it, or the model `read_by`."""
    app, name = model.split(".")
    right = "{}.view_{}".format(*(read_by or model).split("."))
    item: dict[str, Any] = {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": lambda request: request.user.has_perm(right),
    }
    if badge:
        item |= {"badge": f"billing_site.backoffice.badges.{badge}", "badge_variant": "danger", "badge_style": "solid"}
    return item


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Countinghouse",
    "SITE_HEADER": "Countinghouse",
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("backoffice/favicon.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "THEME": "light",
    "BORDER_RADIUS": "6px",
    "STYLES": [lambda request: static("backoffice/backoffice.css")],
    "SCRIPTS": [lambda request: static("backoffice/backoffice.js")],
    "ENVIRONMENT": "billing_site.backoffice.site.clock_label",
    "LOGIN": {"image": lambda request: static("backoffice/login.svg")},
    "COMMAND": {"show_history": True},
    "COLORS": {
        "base": {
            "50": "oklch(98.4% .003 247.9)",
            "100": "oklch(96.8% .007 247.9)",
            "200": "oklch(92.9% .013 255.5)",
            "300": "oklch(86.9% .022 252.9)",
            "400": "oklch(70.4% .04 256.8)",
            "500": "oklch(55.4% .046 257.4)",
            "600": "oklch(44.6% .043 257.3)",
            "700": "oklch(37.2% .044 257.3)",
            "800": "oklch(27.9% .041 260)",
            "900": "oklch(20.8% .042 265.8)",
            "950": "oklch(12.9% .042 264.7)",
        },
        "primary": {
            "50": "oklch(97.1% .014 245)",
            "100": "oklch(93.6% .03 250)",
            "200": "oklch(88.2% .057 253)",
            "300": "oklch(80.9% .098 254)",
            "400": "oklch(70.7% .142 256)",
            "500": "oklch(60.2% .168 259)",
            "600": "oklch(50.5% .172 261)",
            "700": "oklch(44.2% .158 262)",
            "800": "oklch(38.4% .13 263)",
            "900": "oklch(33.5% .1 264)",
            "950": "oklch(25.2% .07 265)",
        },
        "font": {
            "subtle-light": "var(--color-base-500)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-300)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "",
                "items": [{"title": "Start", "icon": "space_dashboard", "link": reverse_lazy("admin:index")}],
            },
            {
                "title": "Billing",
                "separator": True,
                "items": [
                    _item("Customers", "groups", "customers.customer"),
                    _item("Subscriptions", "autorenew", "subscriptions.subscription"),
                    _item("Entitlements", "verified_user", "entitlements.entitlement"),
                    _item("Grants", "add_card", "entitlements.grant"),
                    _item("Invoices", "receipt_long", "invoicing.invoice"),
                    _item("Drafts to approve", "fact_check", "invoicing.draftinreview", read_by="invoicing.invoice"),
                    _item("Payments", "payments", "invoicing.payment"),
                    _item("Bank statements", "account_balance", "invoicing.bankstatement"),
                    _item("Credit notes", "undo", "invoicing.creditnote"),
                    _item("Customer balances", "account_balance_wallet", "invoicing.balanceentry"),
                    _item("Late usage", "running_with_errors", "invoicing.lateusagecase"),
                    _item("Billing runs", "event_repeat", "invoicing.billingrun"),
                    _item("Parked customers", "car_crash", "invoicing.parkedcustomer", badge="parked"),
                ],
            },
            {
                "title": "Catalogue",
                "separator": True,
                "items": [
                    _item("Plans", "inventory_2", "subscriptions.plan"),
                    _item("Add-ons", "add_box", "subscriptions.addon"),
                    _item("Coupons", "sell", "subscriptions.coupon"),
                    _item("Features", "extension", "entitlements.feature"),
                    _item("Meters", "speed", "entitlements.meter"),
                    _item("Usage events", "stacked_line_chart", "entitlements.usageevent"),
                ],
            },
            {
                "title": "How we bill",
                "separator": True,
                "collapsible": True,
                "items": [
                    _item("Billing profiles", "tune", "customers.billingprofile"),
                    _item("Profile migrations", "move_up", "invoicing.profilemigration"),
                    _item("Overrides and pins", "push_pin", "customers.customeroverride"),
                    _item("Suppliers", "domain", "customers.supplier"),
                    _item("Billing apps", "credit_card", "customers.billingapp"),
                    _item("Tax rates", "percent", "invoicing.taxrate"),
                    _item("Number series", "tag", "invoicing.numberseries"),
                ],
            },
            {
                "title": "Control",
                "separator": True,
                "collapsible": True,
                "items": [
                    _item("Change requests", "rule", "approvals.changerequest"),
                    _item("Audit trail", "history_edu", "audit.auditentry"),
                    _item("Notices", "outgoing_mail", "outbox.outboxmessage"),
                    _item("Webhook channels", "webhook", "notifications.channel"),
                    _item("Notification rules", "notifications", "notifications.rule"),
                    _item("Webhook deliveries", "outbox", "notifications.delivery"),
                    _item("API keys", "key", "access.apikey"),
                    _item("Staff", "badge", "auth.user"),
                    _item("Locked log-ins", "lock", "axes.accessattempt"),
                    _item("Test clock", "schedule", "testclock.clocksetting"),
                ],
            },
        ],
    },
}
