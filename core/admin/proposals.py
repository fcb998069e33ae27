"""Keeps what was typed on a page of the admin for a second person, and sends it through the same page once more."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, QueryDict

from core.admin.verbs import Verb
from core.approvals.errors import ApprovalNeeded, WrongRequestState
from core.approvals.models import ChangeRequest
from core.approvals.services.propose_change import propose_change
from core.audit.reasons import because
from core.ids import to_text

# What a page sends besides its answers; "now" is the moment of the approval, not the one that the author saw.
_NO_ANSWERS = frozenset(
    ["csrfmiddlewaretoken", "action", "_selected_action", "select_across", "index", "confirmed", "answered"]
).union(["again", "seen", "as_of", "_save"])


def propose(
    request: HttpRequest, needed: ApprovalNeeded, *, model: type[models.Model], obj: Any, verb: Verb[Any] | None = None
) -> str:
    """Keep the request's answers for a second person; the sentence that says so."""
    opts = model._meta
    done = verb.label if verb else f"{'Change' if obj else 'Add'} {opts.verbose_name}"
    what = f"{done}: {_named(request, obj)}"
    place = {
        "model": opts.label_lower,
        "object": to_text(obj.pk) if obj is not None else None,
        "verb": verb.slug if verb else None,
        "query": request.GET.urlencode(),
    }
    answers = [[name, values] for name, values in sorted(request.POST.lists()) if name not in _NO_ANSWERS]
    reason = request.POST.get("reason") or request.POST.get("change_reason") or ""
    kept = propose_change(needed=needed, what=what, place=place, answers=answers, reason=reason)
    return (
        f"{needed.effect} {needed.rule} Nothing was changed yet: it waits for a second person until "
        f"{kept.expires_at:%-d %b %Y}, under Change requests."
    )


def carry_out(request: HttpRequest, change: ChangeRequest) -> str:
    """Do what `change` asks for, in the name and with the rights of whoever sends `request`, checked anew.

    `WrongRequestState` where the page does not take the answers any more, PermissionDenied where the role lacks what
    the change itself needs; and whatever the services refuse.
    """
    place = change.place
    page = _page_of(place)
    obj = page.get_object(request, place["object"]) if page is not None and place["object"] else None
    if page is None or (place["object"] and obj is None):
        raise WrongRequestState(f"What “{change}” is about is not there any more. Nothing was done.")
    answers = QueryDict(mutable=True)
    for name, values in change.answers:
        answers.setlist(name, values)
    if place["verb"]:
        return _do(request, page, obj, place, answers, change)
    return _save(request, page, obj, answers, change)


def may_carry_out(request: HttpRequest, change: ChangeRequest) -> bool:
    """Whether the user has the right that the change itself needs."""
    place = change.place
    page = _page_of(place)
    if page is None:
        return False
    if place["verb"]:
        return any(verb.slug == place["verb"] and verb.allowed(request) for verb in page.verbs)
    allowed = page.has_change_permission(request) if place["object"] else page.has_add_permission(request)
    return bool(allowed)


def answers_shown(change: ChangeRequest) -> list[tuple[str, str]]:
    """What was typed, for whoever decides."""
    return [
        (name.replace("_", " ").capitalize(), ", ".join(filter(None, values)))
        for name, values in change.answers
        if any(values) and not name.startswith("_") and name not in ("reason", "change_reason")
    ]


def _do(request: HttpRequest, page: Any, obj: Any, place: Any, answers: QueryDict, change: ChangeRequest) -> str:
    verb = next((verb for verb in page.verbs if verb.slug == place["verb"]), None)
    if verb is None or not verb.allowed(request):
        raise PermissionDenied
    refusal = verb.why_not(request, obj)
    if refusal:
        raise WrongRequestState(f"{refusal} Nothing was done.")
    form = verb.form(answers, initial=verb.initial(obj) | QueryDict(place["query"]).dict())
    _refuse_errors(form, change)
    with because(change.reason):
        sentence: str = verb.perform(request, obj, form.cleaned_data)
    return sentence


def _save(request: HttpRequest, page: Any, obj: Any, answers: QueryDict, change: ChangeRequest) -> str:
    if not (page.has_change_permission(request, obj) if obj is not None else page.has_add_permission(request)):
        raise PermissionDenied
    form = page.get_form(request, obj, change=obj is not None)(answers, instance=obj)
    _refuse_errors(form, change)
    saved = page.save_form(request, form, change=obj is not None)
    page.save_model(request, saved, form, obj is not None)
    return f"Done: {change.what}."


def _page_of(place: Any) -> Any:
    """The admin page of the model that is meant; None where there is none any more."""
    pages = admin.site._registry.items()
    return next((page for model, page in pages if model._meta.label_lower == place["model"]), None)


def _refuse_errors(form: Any, change: ChangeRequest) -> None:
    if not form.is_valid():
        said = " ".join(f"{name}: {' '.join(errors)}" for name, errors in form.errors.items())
        raise WrongRequestState(f"“{change}” can't be done as it was proposed. {said} Nothing was done.")


def _named(request: HttpRequest, obj: Any) -> str:
    return str(obj) if obj is not None else request.POST.get("code") or request.POST.get("name") or ""
