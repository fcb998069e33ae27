"""Renders the texts of e-mails from `templates/mail/`: one file a mail, its first line the subject, then the body."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from django.template import Context, Engine, Template
from django.template.base import VariableNode


@dataclass(frozen=True, slots=True)
class MailText:
    """What an e-mail says. Made by `render_mail` only, so that every text stands in a file."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    subject: Template
    body: Template
    names: frozenset[str]


def render_mail(name: str, values: Mapping[str, str]) -> MailText:
    """The text of `templates/mail/<name>.txt` with `values` in it as they are: amounts and days come written out.

    Raises `KeyError` unless `values` has just the names that the text uses: a mail with a gap must not go out.
    """
    compiled = _compiled(name)
    if values.keys() != compiled.names:
        raise KeyError(f"Mail {name} takes {sorted(compiled.names)}, not {sorted(values)}.")
    context = Context(dict(values), autoescape=False, use_l10n=False, use_tz=False)
    return MailText(subject=compiled.subject.render(context), body=compiled.body.render(context))


@cache
def _compiled(name: str) -> _Compiled:
    """Compiled once a process: a close sends thousands of one kind."""
    source = Engine.get_default().get_template(f"mail/{name}.txt").source
    engine = Engine(autoescape=False)
    subject, body = (Template(part, engine=engine) for part in str(source).split("\n", 1))
    nodes = (node for part in (subject, body) for node in part.nodelist.get_nodes_by_type(VariableNode))
    names = frozenset(str(node.filter_expression.var) for node in nodes if isinstance(node, VariableNode))
    return _Compiled(subject, body, names)
