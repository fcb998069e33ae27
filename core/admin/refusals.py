"""Turns what a service refuses into a message on the page."""

from django.contrib import messages
from django.http import HttpRequest

from core.errors import BillingError


def explain(error: BillingError) -> str:
    """The error as one readable text: its message, and each field problem that the message does not say already."""
    more = [problem.message for problem in error.problems if problem.message not in error.message]
    return " ".join([error.message, *more])


def show_refusal(request: HttpRequest, error: BillingError) -> None:
    """Show the error at the top of the next page."""
    messages.error(request, explain(error))
