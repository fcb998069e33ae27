"""The four roles and what each may do. The database's groups follow this file after every migrate."""

from typing import Any

from django.apps import apps
from django.db import transaction

CLERK = "Finance clerk"
APPROVER = "Finance approver"
ADMIN = "Billing admin"
AUDITOR = "Auditor"
ROLES = (CLERK, APPROVER, ADMIN, AUDITOR)

_HOUSE = ("customers", "entitlements", "subscriptions", "invoicing", "access", "notifications")
_READABLE = (*_HOUSE, "approvals", "audit", "outbox", "testclock")

_CLERK = {
    "entitlements.add_grant",
    "entitlements.void_grant",
    "notifications.resend_event",
    "approvals.withdraw_changerequest",
    "customers.add_customer",
    "customers.change_customer",
    "customers.delete_customer",
    "customers.pin_customer",
    "customers.change_customeroverride",
    "customers.add_customeroverride",
    "customers.delete_customeroverride",
    "customers.add_customerappdata",
    "customers.change_customerappdata",
    "invoicing.advance_invoice",
    "invoicing.charge_once_invoice",
    "invoicing.edit_draft_invoice",
    "invoicing.delete_draft_invoice",
    "invoicing.collect_invoice",
    "invoicing.record_payment",
    "invoicing.reconcile_payment",
    "invoicing.add_bankstatement",
    "invoicing.change_bankstatement",
    "invoicing.confirm_bankstatement",
    "invoicing.delete_bankstatement",
    "invoicing.add_profilemigration",
    "invoicing.check_profilemigration",
    "invoicing.pin_unpinned_profilemigration",
    "invoicing.run_profilemigration",
    "invoicing.pause_profilemigration",
    "invoicing.cancel_profilemigration",
    "invoicing.retry_profilemigration",
    "invoicing.take_back_profilemigration",
    "invoicing.bill_lateusagecase",
    "subscriptions.add_coupon",
    "subscriptions.change_coupon",
    "subscriptions.add_subscription",
    "subscriptions.change_subscription",
    "subscriptions.change_plan_subscription",
    "subscriptions.change_quantity_subscription",
    "subscriptions.change_addon_subscription",
    "subscriptions.redeem_coupon_subscription",
    "subscriptions.pause_subscription",
    "subscriptions.resume_subscription",
    "subscriptions.unschedule_subscription",
    "subscriptions.cancel_subscription",
}
_APPROVER = _CLERK | {
    "approvals.approve_changerequest",
    "subscriptions.backdate_subscription",
    "invoicing.approve_invoice",
    "invoicing.approve_profilemigration",
    "invoicing.invoice_now_invoice",
    "invoicing.void_invoice",
    "invoicing.credit_invoice",
    "invoicing.refund_payment",
    "invoicing.mark_uncollectible_invoice",
    "invoicing.write_off_invoice",
    "invoicing.release_parkedcustomer",
    "invoicing.waive_lateusagecase",
    "entitlements.reverse_usageevent",
    "invoicing.start_billingrun",
}
_USERS = {"auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group", "axes.view_accessattempt"}
_USERS_ADMIN = {*_USERS, "axes.delete_accessattempt"}


def sync_roles(*args: Any, **kwargs: Any) -> None:
    """Give the four groups exactly their permissions. Other groups are left alone."""
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission.pk
        for permission in permission_model.objects.select_related("content_type")
    }
    reads = {name for name in known if _app(name) in _READABLE and ".view_" in name}
    wanted = {
        CLERK: reads | _CLERK,
        APPROVER: reads | _APPROVER,
        ADMIN: reads | _USERS_ADMIN | {name for name in known if _app(name) in (*_HOUSE, "approvals")},
        AUDITOR: reads | {"auth.view_user", "auth.view_group", "axes.view_accessattempt"},
    }
    with transaction.atomic():
        for role, names in wanted.items():
            group, _ = group_model.objects.get_or_create(name=role)
            group.permissions.set([known[name] for name in names if name in known])


def _app(permission: str) -> str:
    return permission.partition(".")[0]
