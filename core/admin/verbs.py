"""Verbs: what staff can do to a row, one permission each. What a verb asks, shows, refuses and does is one class."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget

from core.approvals.errors import ApprovalNeeded

# What a verb is done to.
Subject = TypeVar("Subject")

# What its form asked for, cleaned.
Answers = Mapping[str, Any]


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
    """What the answers to a verb's question would do, shown before they are confirmed. `why_not` forbids confirming.

    `seen` stands for the figures: where they are others when the answers are confirmed, they are shown once more
    (`has_moved`) instead. `needs` says what a second person has to approve: confirming then only proposes it.
    """

    template: str
    context: dict[str, Any]
    why_not: str = ""
    seen: str = ""
    has_moved: bool = False
    needs: tuple[ApprovalNeeded, ...] = ()


class Failed(str):
    """What `perform` answers where it did what it could and it did not succeed: a charge was declined."""

    __slots__ = ()


class Warned(str):
    """What `perform` answers where it was done, and the reader has to look after something all the same."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """One figure that a verb would change: as it is, and as it would be."""

    label: str
    before: str
    after: str

    @property
    def changes(self) -> bool:
        return self.before != self.after


class Verb(ABC, Generic[Subject]):
    """One thing to do to an object, and all that its page says: a subclass a verb.

    The slug stands in its address, the permission says who may. Tones: primary, plain, danger. `bulk` also offers it
    for many rows at once; `form_many` then asks in place of `form`. Not `in_bar`, its button stands elsewhere: at the
    part of the object that it is about.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    permission: ClassVar[str]
    tone: ClassVar[str] = "plain"
    form: ClassVar[type[forms.Form]] = ReasonForm
    form_many: ClassVar[type[forms.Form] | None] = None
    bulk: ClassVar[bool] = False
    in_bar: ClassVar[bool] = True

    @abstractmethod
    def asks(self, obj: Subject, /) -> str:
        """The question on the page."""

    @abstractmethod
    def perform(self, request: HttpRequest, obj: Subject, answers: Answers, /) -> str:
        """Call one service; the sentence that says what was done: `Failed` or `Warned` where all is not well."""

    def ask_outside(self, obj: Subject, answers: Answers, /) -> Answers:
        """What `perform` finds among its answers where it runs in a transaction, in which nobody outside is asked."""
        return {}

    def shows(self, obj: Subject, /) -> bool:
        """Whether its button stands at this object at all."""
        return True

    def why_not(self, request: HttpRequest, obj: Subject, /) -> str:
        """Why it can't be done now, "" when it can: the button is then disabled and says so, and a POST is refused."""
        return ""

    def consequences(self, obj: Subject, /) -> list[str]:
        """What the reader should know before they confirm."""
        return []

    def initial(self, obj: Subject, /) -> dict[str, Any]:
        """What the form starts with."""
        return {}

    def effects(self, obj: Subject, answers: Answers, /) -> list[Effect]:
        """The figures before and after, with what is typed in so far: the page asks again as the reader types."""
        return []

    def sample(self, obj: Subject, /) -> str:
        """What the question about many says of one of them."""
        return ""

    def in_all(self, objs: Sequence[Subject], /) -> str:
        """What many come to together, as a sentence."""
        return ""

    def review(self, request: HttpRequest, obj: Subject, answers: Answers, /) -> Review | None:
        """With one, the answers lead to a second page first, which shows what they would do."""
        return None

    def why_not_many(self, request: HttpRequest, objs: Sequence[Subject], answers: Answers, /) -> str:
        """Why it can't be done to all of them at once, though to each: then it is done to none."""
        return ""

    def review_many(self, request: HttpRequest, objs: list[Subject], answers: Answers, /) -> Review | None:
        """The same for a bulk action."""
        return None

    @property
    def asks_once_more(self) -> str:
        """The question below a review."""
        return f"{self.label}?" if self.label.endswith(" now") else f"{self.label} now?"

    @property
    def has_review(self) -> bool:
        return type(self).review is not Verb.review

    @property
    def has_review_of_many(self) -> bool:
        return type(self).review_many is not Verb.review_many

    def allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.permission)


@dataclass(frozen=True, slots=True)
class Button:
    """A button of the action bar; disabled when `why_not` says something."""

    label: str
    url: str
    why_not: str
    tone: str


def buttons_of(request: HttpRequest, obj: models.Model, verbs: Iterable[Verb[Any]]) -> list[Button]:
    """A button for each of these verbs that fits `obj` and that this user's role has."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_verb"
    return [
        Button(verb.label, reverse(name, args=[obj.pk, verb.slug]), verb.why_not(request, obj), verb.tone)
        for verb in verbs
        if verb.allowed(request) and verb.shows(obj)
    ]
