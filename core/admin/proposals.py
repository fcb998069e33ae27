"""Keeps what was typed on a page of the admin for a second person, and sends it through the same page once more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, QueryDict

from core.admin.verbs import Answers, Verb
from core.admin.words import joined, moment_text
from core.approvals.errors import ApprovalNeeded, WrongRequestState
from core.approvals.models import ChangeRequest
from core.approvals.services.propose_change import propose_change
from core.audit.reasons import because
from core.ids import to_text

# What a page sends besides its answers; "now" is the moment of the approval, not the one that the author saw.
_NO_ANSWERS = frozenset(
    ["csrfmiddlewaretoken", "action", "_selected_action", "select_across", "index", "confirmed", "answered"]
).union(["again", "seen", "as_of", "_save", "_confirmed", "_again"])

# Shown beside the answers.
_REASONS = frozenset(["reason", "change_reason"])

EMPTY_WORD = "–"


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
        "stood": _as_it_stands(request, admin.site._registry.get(model), obj, verb, request.GET.dict()),
    }
    answers = [[name, values] for name, values in sorted(request.POST.lists()) if name not in _NO_ANSWERS]
    reason = request.POST.get("reason") or request.POST.get("change_reason") or ""
    kept = propose_change(needed=needed, what=what, place=place, answers=answers, reason=reason)
    return (
        f"{needed.effect} {needed.rule} Nothing was changed yet: it waits for a second person until "
        f"{kept.expires_at:%-d %b %Y}, under Change requests."
    )


def ask_outside(request: HttpRequest, change: ChangeRequest) -> Answers:
    """What the verb has to ask of others before `carry_out`, which is a transaction, in which nobody waits for them."""
    page, obj = _subject(request, change)
    verb = _verb_of(page, change.place)
    if verb is None or not verb.allowed(request):
        return {}
    form = _form_of(verb, obj, change)
    return verb.ask_outside(obj, form.cleaned_data) if form.is_valid() else {}


def carry_out(request: HttpRequest, change: ChangeRequest, outside: Answers) -> str:
    """Do what `change` asks for, in the name and with the rights of whoever sends `request`, checked anew; `outside` is
    what `ask_outside` answered.

    `WrongRequestState` where the page does not take the answers any more, or shows other values by now than those that
    the author saw: they would be undone unseen. PermissionDenied where the role lacks what the change itself needs; and
    whatever the services refuse.
    """
    place = change.place
    page, obj = _subject(request, change)
    verb = _verb_of(page, place)
    query = QueryDict(place["query"]).dict()
    moved = _differing(place.get("stood", {}), _as_it_stands(request, page, obj, verb, query))
    if moved:
        raise WrongRequestState(
            f"“{change}” was proposed before something else was changed there: {joined(moved)}. Nothing was done: "
            "decline it, and have it proposed anew."
        )
    if place["verb"]:
        return _do(request, verb, obj, change, outside)
    return _save(request, page, obj, _answers_of(change), change)


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


def subject_shown(request: HttpRequest, change: ChangeRequest) -> Any:
    """The object that it is about; None for what is yet to be made, or is gone."""
    try:
        return _subject(request, change)[1]
    except WrongRequestState:
        return None


def answers_shown(request: HttpRequest, change: ChangeRequest) -> list[tuple[str, str]]:
    """What was typed, for whoever decides: named and worded as on the page that asked, and of what is changed only what
    differs from what stood there."""
    try:
        page, obj = _subject(request, change)
    except WrongRequestState:
        return []
    verb = _verb_of(page, change.place)
    if verb is not None:
        form = _form_of(verb, obj, change)
    else:
        form = page.get_form(request, obj, change=obj is not None)(_answers_of(change), instance=obj)
    form.is_valid()
    stood = change.place.get("stood", {})
    shown = []
    for field in form:
        label = str(field.label or field.name)
        if field.is_hidden or field.name in _NO_ANSWERS | _REASONS:
            continue
        if _plain(field.value()) != _plain(None if stood.get(label) == "None" else stood.get(label)):
            shown.append((label, _words(form, field)))
    return shown


def form_shown(form: Any) -> list[tuple[str, str, str]]:
    """What was typed into a form and differs from what stood there: label, before, after."""
    form.is_valid()
    typed = [field for field in form if field.name in form.changed_data and field.name not in _NO_ANSWERS | _REASONS]
    return [(str(field.label or field.name), _before(field), _words(form, field)) for field in typed]


def _before(field: Any) -> str:
    choices = getattr(field.field, "choices", None)
    named = dict(choices).get(field.initial) if choices and isinstance(field.initial, str) else None
    if isinstance(field.initial, bool):
        return "yes" if field.initial else "no"
    if isinstance(field.initial, datetime):
        return f"{moment_text(field.initial)} UTC"
    return str(named or _plain(field.initial) or EMPTY_WORD)


def _plain(value: Any) -> str:
    """What was typed into a field, as text; none, nothing typed and a switch that is off are the same."""
    if isinstance(value, list | tuple):
        return " ".join(str(part) for part in value if part not in (None, ""))
    return "" if value in (None, False, "False") else str(value)


def _words(form: Any, field: Any) -> str:
    """The value of a field as its page shows it."""
    kept = form.cleaned_data.get(field.name)
    if isinstance(kept, bool):
        return "yes" if kept else "no"
    if isinstance(kept, models.Model):
        return str(kept)
    if isinstance(kept, datetime):
        return f"{moment_text(kept)} UTC"
    choices = getattr(field.field, "choices", None)
    named = dict(choices).get(kept) if choices and isinstance(kept, str) else None
    return str(named or _plain(field.value()) or EMPTY_WORD)


def _do(request: HttpRequest, verb: Verb[Any] | None, obj: Any, change: ChangeRequest, outside: Answers) -> str:
    if verb is None or not verb.allowed(request):
        raise PermissionDenied
    refusal = verb.why_not(request, obj)
    if refusal or not verb.shows(obj):
        raise WrongRequestState(f"{refusal or f'“{verb.label}” is not for {obj} as it stands now.'} Nothing was done.")
    form = _form_of(verb, obj, change)
    _refuse_errors(form, change)
    with because(change.reason):
        sentence: str = verb.perform(request, obj, form.cleaned_data | outside)
    return sentence


def _save(request: HttpRequest, page: Any, obj: Any, answers: QueryDict, change: ChangeRequest) -> str:
    if not (page.has_change_permission(request, obj) if obj is not None else page.has_add_permission(request)):
        raise PermissionDenied
    form = page.get_form(request, obj, change=obj is not None)(answers, instance=obj)
    _refuse_errors(form, change)
    saved = page.save_form(request, form, change=obj is not None)
    page.save_model(request, saved, form, obj is not None)
    return f"Done: {change.what}."


def _subject(request: HttpRequest, change: ChangeRequest) -> tuple[Any, Any]:
    """The page that is meant, and its object; `WrongRequestState` where either is gone."""
    place = change.place
    page = _page_of(place)
    obj = page.get_object(request, place["object"]) if page is not None and place["object"] else None
    if page is None or (place["object"] and obj is None):
        raise WrongRequestState(f"What “{change}” is about is not there any more. Nothing was done.")
    return page, obj


def _verb_of(page: Any, place: Any) -> Verb[Any] | None:
    return next((verb for verb in page.verbs if verb.slug == place["verb"]), None)


def _answers_of(change: ChangeRequest) -> QueryDict:
    answers = QueryDict(mutable=True)
    for name, values in change.answers:
        answers.setlist(name, values)
    return answers


def _form_of(verb: Verb[Any], obj: Any, change: ChangeRequest) -> Any:
    initial = verb.initial(obj) | QueryDict(change.place["query"]).dict()
    return verb.form(_answers_of(change), initial=initial)


def _as_it_stands(
    request: HttpRequest, page: Any, obj: Any, verb: Verb[Any] | None, query: Mapping[str, str]
) -> dict[str, str]:
    """What the page shows in its fields before anybody types, as text by label; nothing for what is yet to be made."""
    if obj is None or page is None:
        return {}
    form = (
        verb.form(initial=verb.initial(obj) | dict(query))
        if verb
        else page.get_form(request, obj, change=True)(instance=obj)
    )
    return {str(field.label or field.name): str(field.value()) for field in form if field.name not in _NO_ANSWERS}


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [label.lower() for label, text in before.items() if now.get(label) != text]


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
