"""Log-ins, staff and API keys."""

from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, User
from django.db.models import ProtectedError
from django.urls import reverse

from billing_site.access.models import ApiKey
from billing_site.access.services.create_api_key import create_api_key
from core.audit.models import AuditEntry
from core.clock import real_now
from tests.support.desk import PASSWORD, Desk, list_url, make_staff, page_url, said

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


def try_log_in(client, password):
    return client.post(LOGIN, {"username": "clerk", "password": password, "next": "/admin/"})


def test_five_failures_lock_the_log_in_even_for_the_right_password(client):
    make_staff("Finance clerk")
    for _ in range(4):
        assert "Please enter the correct" in try_log_in(client, "wrong").content.decode()
    locked = try_log_in(client, "wrong")
    assert locked.status_code == 429
    assert "This log-in is locked" in locked.content.decode()
    assert try_log_in(client, PASSWORD).status_code == 429
    assert "_auth_user_id" not in client.session


def test_the_lock_ends_by_itself_after_a_quarter_of_an_hour(client):
    make_staff("Finance clerk")
    for _ in range(5):
        try_log_in(client, "wrong")
    with time_machine.travel(real_now() + timedelta(minutes=15, seconds=1)):
        response = try_log_in(client, PASSWORD)
    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_a_billing_admin_unlocks_at_once(client, billing_admin):
    make_staff("Finance clerk")
    for _ in range(5):
        try_log_in(client, "wrong")
    assert "Locked" in billing_admin.read(list_url(AccessAttempt))
    billing_admin.do(AccessAttempt.objects.get(), "unlock", reason="She called")
    assert try_log_in(client, PASSWORD).status_code == 302
    assert AuditEntry.objects.get(verb="login.unlocked").sentence == "Admin unlocked the log-in clerk."


def test_a_log_in_leads_to_the_start_page(client):
    make_staff("Finance clerk")
    response = client.post(LOGIN, {"username": "clerk", "password": PASSWORD})
    assert response["Location"] == "/admin/"


def test_the_root_leads_to_the_admin(client):
    assert client.get("/")["Location"] == "/admin/"


def test_an_unknown_address_is_a_page_of_ours(client):
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()


def test_a_billing_admin_gives_someone_a_role(billing_admin):
    group = Group.objects.get(name="Finance clerk")
    password = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    form = {"username": "ada", "groups": [str(group.pk)]} | password
    billing_admin.post(reverse("admin:auth_user_add"), form)
    user = User.objects.get(username="ada")
    assert (user.is_staff, user.is_superuser, list(user.groups.all())) == (True, False, [group])
    assert AuditEntry.objects.get().sentence == "Admin created the log-in ada."


def test_a_role_that_changes_is_recorded(billing_admin):
    user = make_staff("Finance clerk", "ada")
    approver = Group.objects.get(name="Finance approver")
    form = {"username": "ada", "first_name": "Ada", "last_name": "", "email": "", "is_active": "on"}
    billing_admin.post(page_url(user), form | {"groups": [str(approver.pk)]})
    assert list(user.groups.all()) == [approver]
    assert AuditEntry.objects.get().changes == {"groups": [["Finance clerk"], ["Finance approver"]]}


def test_a_billing_admin_does_not_take_over_a_superuser(billing_admin):
    root = User.objects.create_superuser("root", password=PASSWORD)
    url = reverse("admin:auth_user_password_change", args=[root.pk])
    assert billing_admin.post(url, {"password1": "mine12345!", "password2": "mine12345!"}).status_code == 403
    assert billing_admin.post(page_url(root), {"username": "root", "is_active": ""}).status_code == 403
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


@pytest.mark.parametrize("role", ["Finance clerk", "Finance approver", "Auditor"])
def test_only_a_billing_admin_makes_staff(role):
    assert Desk(role).post(reverse("admin:auth_user_add"), {"username": "ada"}).status_code == 403


def test_who_made_a_key_is_never_deleted_since_it_would_be_nobodys_then(billing_admin):
    key, _ = create_api_key(name="Sync", scopes=["*"], created_by=billing_admin.user)
    with pytest.raises(ProtectedError):
        billing_admin.user.delete()
    key.refresh_from_db()
    assert (key.created_by, key.allows("approvals:write")) == (billing_admin.user, False)


def test_a_new_key_is_shown_once_and_stored_nowhere(billing_admin):
    form = {"name": "Checkout", "scopes": ["usage:write"], "expires_at_0": "", "expires_at_1": ""}
    response = billing_admin.post(reverse("admin:access_apikey_add"), form)
    page = response.content.decode()
    key = ApiKey.objects.get()
    token = page.split('id="token">')[1].split("<")[0]
    assert token.startswith(key.prefix)
    assert (key.scopes, key.created_by) == (["usage:write"], billing_admin.user)
    assert "no-store" in response["Cache-Control"]
    assert token not in billing_admin.read(page_url(key))
    assert token not in str(AuditEntry.objects.values())


def test_a_key_without_scopes_is_not_made(billing_admin):
    response = billing_admin.post(reverse("admin:access_apikey_add"), {"name": "Checkout"})
    assert "This field is required." in response.content.decode()
    assert ApiKey.objects.count() == 0


def test_a_revoked_key_stays_revoked(billing_admin):
    billing_admin.post(reverse("admin:access_apikey_add"), {"name": "Checkout", "scopes": ["*"]})
    key = ApiKey.objects.get()
    assert said(billing_admin.do(key, "revoke", reason="Leaked"))[0].endswith("no longer works.")
    assert said(billing_admin.do(key, "revoke", reason="Leaked")) == ["The key is revoked already."]
    entry = AuditEntry.objects.get(verb="apikey.revoked")
    assert entry.reason == "Leaked"
