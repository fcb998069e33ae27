"""How the tests of reviewed verbs read pages: what stands there, and what is carried along unseen."""

import html
import re

from core import clock
from tests.support.desk import said, verb_url


def text_of(page):
    """The page as a reader sees it, in one line."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


def hidden(page):
    """What the page carries along to the confirmation."""
    fields = re.findall(r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?', page)
    return {name: html.unescape(value) for name, value in fields if name != "csrfmiddlewaretoken"}


def answered(desk, obj, verb, on, query="", **answers):
    """The page after the verb's question was answered at `on`: the review, or the form with what is wrong."""
    with clock.frozen_at(on):
        url = verb_url(obj, verb) + query
        response = desk.post(url, hidden(desk.read(url)) | {"reason": "Agreed by phone"} | answers)
    assert response.status_code == 200
    return response.content.decode()


def confirmed(desk, obj, verb, page, on):
    """What is said once `page` is confirmed at `on`."""
    with clock.frozen_at(on):
        return said(desk.post(verb_url(obj, verb), hidden(page), follow=True))
