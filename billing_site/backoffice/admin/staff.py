"""Staff and their roles in the admin."""

from typing import Any

from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from core.admin.base import BackOfficeAdmin
from core.admin.changes import changes_of, sentence_of
from core.admin.display import EMPTY, badge, moment
from core.admin.registry import no_page_of, page_of
from core.audit.services.record import record

no_page_of(Group)


@page_of(User)
class StaffAdmin(UserAdmin, BackOfficeAdmin):  # type: ignore[misc]
    """Rights come from the roles alone. Nobody is deleted: the audit trail names them; they are deactivated."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "roles", "state", "last_seen")
    list_filter = ("groups", "is_active")
    search_within = ("username", "first_name", "last_name", "email")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": (("first_name", "last_name"), "email")}),
        ("Access", {"fields": ("groups", "is_active")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        ("Access", {"fields": ("groups",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Who is not a superuser must not take over one, by a password of their own making.
        reachable = obj is None or request.user.is_superuser or not obj.is_superuser
        return reachable and super().has_change_permission(request, obj)

    @display(description="Name", ordering="last_name")
    def full_name(self, user: User) -> SafeString | str:
        return user.get_full_name() or EMPTY

    @display(description="Role")
    def roles(self, user: User) -> SafeString:
        if user.is_superuser:
            return badge("Superuser", "red")
        names = ", ".join(group.name for group in user.groups.all())
        return badge(names, "blue") if names else EMPTY

    @display(description="State")
    def state(self, user: User) -> SafeString:
        return badge("Active", "green") if user.is_active else badge("Deactivated", "grey")

    @display(description="Last log-in", ordering="last_login")
    def last_seen(self, user: User) -> SafeString:
        return moment(user.last_login)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        user = form.instance
        changes = {name: pair for name, pair in changes_of(form).items() if name != "password"}
        if "groups" in form.changed_data:
            before = [group.name for group in form.initial.get("groups", ())]
            changes["groups"] = [before, [group.name for group in form.cleaned_data["groups"]]]
        if changes or not change:
            sentence = (
                f"changed the log-in {user}: {sentence_of(changes, User)}" if change else f"created the log-in {user}"
            )
            record(verb=f"user.{'changed' if change else 'created'}", target=user, did=sentence, changes=changes)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            user = self.get_object(request, id)
            if user is not None:
                record(verb="user.password_set", target=user, did=f"set a new password for {user}")
        return response
