"""Verbs: what staff can do to a row, one permission each. A verb opens a page that asks, and only its POST acts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from unfold.widgets import UnfoldAdminTextareaWidget

from core.admin.display import admin_url
from core.admin.refusals import explain
from core.audit.reasons import because
from core.errors import BillingError

MAX_BULK = 200
SAMPLE = 10


class ReasonForm(forms.Form):
    """What every verb asks for. The reason goes to the audit trail."""

    reason = forms.CharField(
        label="Reason",
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        help_text="Goes to the audit trail, where it can't be changed.",
    )


class OptionalReasonForm(ReasonForm):
    """For verbs that the state of the thing justifies: a reason may be given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = False


@dataclass(frozen=True, slots=True)
class Review:
    """What the answers to a verb's question would do, shown before they are confirmed. `why_not` forbids confirming."""

    template: str
    context: dict[str, Any]
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """One figure that a verb would change: as it is, and as it would be."""

    label: str
    before: str
    after: str

    @property
    def changes(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One thing to do to an object.

    `perform` calls one service and answers the sentence to show. `why_not` says why it can't be done now ("" when it
    can): the button is then disabled and says so, and a POST is refused. `asks` is the question on the page,
    `consequences` what the reader should know before they confirm. `effects` are the figures before and after, with
    what is typed in so far: the page asks for them again as the reader types. With a `review` (`review_many` for a bulk
    action), the answers lead to a second page first, which shows what they would do. `form_many` asks where many are
    chosen, `in_all` says what they come to. Tones: primary, plain, danger.
    """

    slug: str
    label: str
    permission: str
    asks: Callable[[Any], str]
    perform: Callable[[HttpRequest, Any, Mapping[str, Any]], str]
    why_not: Callable[[HttpRequest, Any], str] = lambda request, obj: ""
    shows: Callable[[Any], bool] = lambda obj: True
    consequences: Callable[[Any], list[str]] = lambda obj: []
    effects: Callable[[Any, Mapping[str, Any]], list[Effect]] = lambda obj, answers: []
    in_all: Callable[[Sequence[Any]], str] = lambda objs: ""
    form: type[forms.Form] = ReasonForm
    form_many: type[forms.Form] | None = None
    initial: Callable[[Any], dict[str, Any]] = lambda obj: {}
    tone: str = "plain"
    bulk: bool = False
    review: Callable[[HttpRequest, Any, Mapping[str, Any]], Review] | None = None
    review_many: Callable[[HttpRequest, list[Any], Mapping[str, Any]], Review] | None = None

    # Templates would call the functions themselves.
    @property
    def has_review(self) -> bool:
        return self.review is not None

    @property
    def has_review_of_many(self) -> bool:
        return self.review_many is not None

    def allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.permission)


@dataclass(frozen=True, slots=True)
class Button:
    """A button of the action bar; disabled when `why_not` says something."""

    label: str
    url: str
    why_not: str
    tone: str


class VerbAdmin(ModelAdmin):
    """Gives a model admin its verbs: an action bar, a confirmation page each, and bulk actions for those marked so."""

    verbs: tuple[Verb, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_verb"
        view = self.admin_site.admin_view(self.verb_view)
        return [path("<path:object_id>/do/<slug:slug>/", view, name=name), *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: models.Model) -> list[Button]:
        """The action bar of `obj` for this user: verbs that their role lacks are not shown."""
        return buttons_of(request, obj, self.verbs)

    def verb_url(self, request: HttpRequest, obj: models.Model, verb: Verb) -> str:
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
        refusal = verb.why_not(request, obj)
        if refusal:
            messages.error(request, refusal)
            return HttpResponseRedirect(self.url_after(obj))
        # A link may answer beforehand ("clear this field"); nothing happens before somebody confirms.
        initial = verb.initial(obj) | {name: value for name, value in request.GET.items() if name != "effects"}
        if "effects" in request.GET:
            effects = verb.effects(obj, _so_far(verb.form(request.GET, initial=initial), initial))
            return TemplateResponse(request, "admin/verb_effects.html", {"effects": effects})
        form = verb.form(request.POST or None, initial=initial)
        review: Review | None = None
        if request.method == "POST" and form.is_valid():
            if verb.review is not None and "confirmed" not in request.POST:
                review = _reviewed(form, verb.review, request, obj)
            else:
                done, message = _attempt(verb, request, obj, form.cleaned_data)
                (messages.success if done else messages.error)(request, message)
                still_there = self.model._default_manager.filter(pk=obj.pk).exists()
                return HttpResponseRedirect(self.url_after(obj) if still_there else self._list_url())
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

    def bulk_view(self, request: HttpRequest, verb: Verb, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """Count, sample, confirm; then the result of each row."""
        if not verb.allowed(request):
            raise PermissionDenied
        chosen = list(queryset[: MAX_BULK + 1])
        if len(chosen) > MAX_BULK:
            messages.error(request, f"That is more than {MAX_BULK} rows. Nothing was done: choose fewer at a time.")
            return None
        confirmed, answered = "confirmed" in request.POST, "answered" in request.POST
        form = (verb.form_many or verb.form)(request.POST if confirmed or answered else None)
        if confirmed and form.is_valid():
            results = [(obj, *_attempt(verb, request, obj, form.cleaned_data)) for obj in chosen]
            context = {
                "title": f"{verb.label}: result",
                "verb": verb,
                "results": results,
                "done": sum(1 for _, done, _ in results if done),
                "back": request.get_full_path(),
            }
            return self._page(request, "admin/bulk_result.html", context)
        refused = [(obj, why) for obj in chosen if (why := verb.why_not(request, obj))]
        refused_ids = {obj.pk for obj, _ in refused}
        review: Review | None = None
        if answered and verb.review_many is not None and form.is_valid():
            review = _reviewed(form, verb.review_many, request, [obj for obj in chosen if obj.pk not in refused_ids])
        context = {
            "title": f"{verb.label}: {len(chosen)} {self.opts.verbose_name_plural}",
            "verb": verb,
            "form": form,
            "chosen": chosen,
            "sample": [(obj, _changes(verb, obj) if obj.pk not in refused_ids else []) for obj in chosen[:SAMPLE]],
            "in_all": verb.in_all([obj for obj in chosen if obj.pk not in refused_ids]),
            "more": max(0, len(chosen) - SAMPLE),
            "refused": refused[:SAMPLE],
            "refused_count": len(refused),
            "possible": len(chosen) - len(refused),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "review": review,
            "back": request.get_full_path(),
            **(review.context if review else {}),
        }
        return self._page(request, "admin/confirm_bulk.html", context)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media} | context,
        )


def _changes(verb: Verb, obj: Any) -> list[Effect]:
    """What the verb would change of `obj`, without its answers."""
    return [effect for effect in verb.effects(obj, verb.initial(obj)) if effect.changes]


def _so_far(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    """What is answered so far and can be read; before anything is, what the form starts with."""
    if not form.is_bound:
        return dict(initial)
    # Once only: to clean it again would forget what a service refused.
    form.is_valid()
    return dict(form.cleaned_data)


def buttons_of(request: HttpRequest, obj: models.Model, verbs: Iterable[Verb]) -> list[Button]:
    """A button for each of these verbs that fits `obj` and that this user's role has."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_verb"
    return [
        Button(verb.label, reverse(name, args=[obj.pk, verb.slug]), verb.why_not(request, obj), verb.tone)
        for verb in verbs
        if verb.allowed(request) and verb.shows(obj)
    ]


def _bulk_action(verb: Verb) -> Callable[[Any, HttpRequest, models.QuerySet[Any]], HttpResponse | None]:
    def act(modeladmin: VerbAdmin, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        return modeladmin.bulk_view(request, verb, queryset)

    return act


def _reviewed(form: forms.Form, review: Callable[..., Review], request: HttpRequest, subject: Any) -> Review | None:
    """The review of what was answered; what a service refuses already is said at the form instead."""
    try:
        return review(request, subject, form.cleaned_data)
    except BillingError as error:
        form.add_error(None, explain(error))
        return None


def _attempt(verb: Verb, request: HttpRequest, obj: Any, answers: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether it was done, and the sentence that says so or why not."""
    refusal = verb.why_not(request, obj)
    if refusal:
        return False, refusal
    try:
        with because(answers.get("reason", "")):
            return True, verb.perform(request, obj, answers)
    except BillingError as error:
        return False, explain(error)
