"""The pages of verbs: a verb opens a page that asks, and only its POST acts; for many rows, the result of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from core.admin.display import admin_url
from core.admin.proposals import propose
from core.admin.refusals import explain
from core.admin.verbs import Answers, Button, Effect, Failed, Review, Verb, Warned, buttons_of
from core.approvals.errors import ApprovalNeeded
from core.approvals.limits import foreseeing
from core.audit.reasons import because
from core.errors import BillingError

MAX_BULK = 200
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a verb, as pages show it."""

    label: str
    tone: str
    level: int


DONE = Outcome("Done", "green", messages.SUCCESS)
WARNED = Outcome("Done, with a warning", "amber", messages.WARNING)
# Neither done nor refused: a second person is to say yes.
WAITS = Outcome("Waits for approval", "amber", messages.WARNING)
FAILED = Outcome("Did not succeed", "red", messages.ERROR)
REFUSED = Outcome("Refused", "red", messages.ERROR)


class VerbAdmin(ModelAdmin):
    """Gives a model admin its verbs: an action bar, a confirmation page each, and bulk actions for those marked so."""

    verbs: tuple[Verb[Any], ...] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_verb"
        view = self.admin_site.admin_view(self.verb_view)
        return [path("<path:object_id>/do/<slug:slug>/", view, name=name), *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: models.Model) -> list[Button]:
        """The action bar of `obj` for this user: verbs that their role lacks are not shown."""
        return buttons_of(request, obj, [verb for verb in self.verbs if verb.in_bar])

    def verb_url(self, request: HttpRequest, obj: models.Model, verb: Verb[Any]) -> str:
        """Where the page of `verb` is, for a link elsewhere on the page; empty where it can't be used now."""
        if not verb.allowed(request) or not verb.shows(obj) or verb.why_not(request, obj):
            return ""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_verb", args=[obj.pk, verb.slug])

    def verb_view(self, request: HttpRequest, object_id: str, slug: str) -> HttpResponse:
        verb = next((verb for verb in self.verbs if verb.slug == slug), None)
        obj = self.get_object(request, unquote(object_id))
        if verb is None or obj is None:
            raise Http404
        if not verb.allowed(request):
            raise PermissionDenied
        refusal = _refusal(verb, request, obj)
        if refusal:
            messages.error(request, refusal)
            return HttpResponseRedirect(self.url_after(obj))
        # A link may answer beforehand ("clear this field"); nothing happens before somebody confirms.
        initial = verb.initial(obj)
        initial |= {name: value for name, value in request.GET.items() if _answers(verb, name, initial)}
        if "effects" in request.GET:
            effects = verb.effects(obj, _so_far(verb.form(request.GET, initial=initial), initial))
            return TemplateResponse(request, "admin/verb_effects.html", {"effects": effects})
        form = verb.form(request.POST or None, initial=initial)
        review: Review | None = None
        if "again" in request.POST:
            form = verb.form(initial=initial | _typed(form))
        elif request.method == "POST" and form.is_valid():
            if verb.has_review:
                review = _reviewed(form, verb, request, obj)
            may_act = not verb.has_review or "confirmed" in request.POST
            if may_act and review is None and form.is_valid():
                confirmed = "confirmed" in request.POST
                try:
                    outcome, message = (_attempt if confirmed else _perform)(verb, request, obj, form.cleaned_data)
                except ApprovalNeeded as needed:
                    # Nobody proposes anything without being asked.
                    review = Review("", {}, needs=(needed,))
                else:
                    if outcome is not REFUSED or confirmed:
                        messages.add_message(request, outcome.level, message)
                        still_there = self.model._default_manager.filter(pk=obj.pk).exists()
                        return HttpResponseRedirect(self.url_after(obj) if still_there else self._list_url())
                    # What was typed stays there to be mended.
                    form.add_error(None, message)
        context = {
            "title": f"{verb.label}: {obj}",
            "verb": verb,
            "question": verb.asks(obj),
            "consequences": verb.consequences(obj),
            "effects": verb.effects(obj, _so_far(form, initial)),
            "form": form,
            "review": review,
            "object": obj,
            "back": self.url_after(obj),
            **(review.context if review else {}),
        }
        return self._page(request, "admin/confirm_verb.html", context)

    def url_after(self, obj: models.Model) -> str:
        """Where a verb leads back to."""
        return admin_url(obj)

    def _list_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        for verb in self.verbs:
            if verb.bulk and verb.allowed(request):
                actions[verb.slug] = (_bulk_action(verb), verb.slug, verb.label)
        return actions

    def bulk_view(self, request: HttpRequest, verb: Verb[Any], queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """Count, sample, confirm; then the result of each row."""
        if not verb.allowed(request):
            raise PermissionDenied
        chosen = list(queryset[: MAX_BULK + 1])
        if len(chosen) > MAX_BULK:
            messages.error(request, f"That is more than {MAX_BULK} rows. Nothing was done: choose fewer at a time.")
            return None
        confirmed, answered = "confirmed" in request.POST, "answered" in request.POST
        form = (verb.form_many or verb.form)(request.POST if confirmed or answered else None)
        refused = [(obj, why) for obj in chosen if (why := _refusal(verb, request, obj))]
        refused_ids = {obj.pk for obj, _ in refused}
        in_all = verb.in_all([obj for obj in chosen if obj.pk not in refused_ids])
        # What they come to together stands in the question: where it is something else by now, it is asked anew.
        has_moved = confirmed and request.POST.get("in_all", in_all) != in_all
        if confirmed and form.is_valid() and "again" not in request.POST and not has_moved:
            refusal = verb.why_not_many(request, chosen, form.cleaned_data)
            if refusal:
                messages.error(request, refusal)
                return None
            results = [(obj, *_attempt(verb, request, obj, form.cleaned_data)) for obj in chosen]
            done = sum(1 for _, outcome, _ in results if outcome in (DONE, WARNED))
            context = {
                "title": f"{verb.label}: result",
                "verb": verb,
                "results": results,
                "done": done,
                "back": request.get_full_path(),
            }
            return self._page(request, "admin/bulk_result.html", context)
        review: Review | None = None
        if answered and verb.has_review_of_many and form.is_valid() and "again" not in request.POST:
            possible = [obj for obj in chosen if obj.pk not in refused_ids]
            review = _said_at(form, lambda: verb.review_many(request, possible, form.cleaned_data))
        context = {
            "title": f"{verb.label}: {len(chosen)} {self.opts.verbose_name_plural}",
            "verb": verb,
            "form": form,
            "chosen": chosen,
            "sample": [
                (obj, verb.sample(obj), _changes(verb, obj) if obj.pk not in refused_ids else [])
                for obj in chosen[:SAMPLE]
            ],
            "in_all": in_all,
            "has_moved": has_moved,
            "more": max(0, len(chosen) - SAMPLE),
            "refused": refused[:SAMPLE],
            "refused_count": len(refused),
            "possible": len(chosen) - len(refused),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "review": review,
            "back": request.get_full_path(),
            **(review.context if review else {}),
        }
        waiting = max((need.many for need in review.needs), default=0) if review else 0
        context["some_wait"] = 0 < waiting < len(chosen) - len(refused)
        return self._page(request, "admin/confirm_bulk.html", context)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media} | context,
        )


def _answers(verb: Verb[Any], name: str, initial: Mapping[str, Any]) -> bool:
    """Whether an address may answer `name` beforehand: a question, and not what the verb itself says to its form."""
    return name != "effects" and (name in verb.form.base_fields or name not in initial)


def _changes(verb: Verb[Any], obj: Any) -> list[Effect]:
    """What the verb would change of `obj`, without its answers."""
    return [effect for effect in verb.effects(obj, verb.initial(obj)) if effect.changes]


def _so_far(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    """What is answered so far and can be read; before anything is, what the form starts with."""
    if not form.is_bound:
        return dict(initial)
    # Once only: to clean it again would forget what a service refused.
    form.is_valid()
    return dict(form.cleaned_data)


def _bulk_action(verb: Verb[Any]) -> Callable[[Any, HttpRequest, models.QuerySet[Any]], HttpResponse | None]:
    def act(modeladmin: VerbAdmin, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        return modeladmin.bulk_view(request, verb, queryset)

    return act


def _typed(form: forms.Form) -> dict[str, Any]:
    """What was typed into a bound form, right or wrong, as the initial values of a new one."""
    anew = getattr(form, "asked_anew", ())
    return {
        name: field.widget.value_from_datadict(form.data, form.files, name)
        for name, field in form.fields.items()
        if name not in anew and not field.widget.value_omitted_from_data(form.data, form.files, name)
    }


def _reviewed(form: forms.Form, verb: Verb[Any], request: HttpRequest, obj: Any) -> Review | None:
    """The review to show before anything is done: of answers that were not confirmed, or that would do something else
    by now than what was seen. None where it is to be done, and where the form says why it can't be."""
    if "confirmed" not in request.POST:
        return _said_at(form, lambda: verb.review(request, obj, form.cleaned_data))
    if "seen" not in request.POST:
        return None
    review = _said_at(form, lambda: verb.review(request, obj, form.cleaned_data))
    if review is None or review.seen == request.POST["seen"]:
        return None
    return replace(review, has_moved=True)


def _said_at(form: forms.Form, review: Callable[[], Review | None]) -> Review | None:
    """The review, which says what a second person must approve; what a service refuses is said at the form instead."""
    try:
        with foreseeing() as needs:
            shown = review()
        return replace(shown, needs=tuple(needs)) if shown is not None else None
    except BillingError as error:
        form.add_error(None, explain(error))
        return None


def _refusal(verb: Verb[Any], request: HttpRequest, obj: Any) -> str:
    """Why the verb can't be done to `obj` now, "" when it can: also by an address that no button leads to."""
    why_not = verb.why_not(request, obj)
    if why_not or verb.shows(obj):
        return why_not
    return f"“{verb.label}” is not for {obj} as it stands now. Nothing was changed."


def _attempt(verb: Verb[Any], request: HttpRequest, obj: Any, answers: Answers) -> tuple[Outcome, str]:
    """What came of it, and the sentence that says what was done or why not. What needs a second person is proposed."""
    try:
        return _perform(verb, request, obj, answers)
    except ApprovalNeeded as needed:
        return WAITS, propose(request, needed, model=type(obj), obj=obj, verb=verb)


def _perform(verb: Verb[Any], request: HttpRequest, obj: Any, answers: Answers) -> tuple[Outcome, str]:
    """The same; `ApprovalNeeded` where it needs a second person."""
    refusal = _refusal(verb, request, obj)
    if refusal:
        return REFUSED, refusal
    try:
        with because(answers.get("reason", "")):
            said = verb.perform(request, obj, answers)
    except ApprovalNeeded:
        raise
    except BillingError as error:
        return REFUSED, explain(error)
    if isinstance(said, Failed):
        return FAILED, said
    return (WARNED if isinstance(said, Warned) else DONE), said
