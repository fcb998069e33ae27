"""What stands in the way of moving a customer to another billing profile (billing rules 5): reads, nothing written."""

from invoicing.moves.ask_app import ask_app
from invoicing.moves.causes import Cause, CauseCode, Link, Severity, severity_of
from invoicing.moves.checks import check_moves

__all__ = ["Cause", "CauseCode", "Link", "Severity", "ask_app", "check_moves", "severity_of"]
