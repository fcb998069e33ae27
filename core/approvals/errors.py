"""What one person alone is refused."""

from core.errors import Forbidden, PreconditionFailed


class SecondPersonNeeded(Forbidden):
    """Who approves must not be the author: of a large migration, of a draft that a run made, of a change
    beyond a limit."""

    default_code = "second_person_needed"


class ApprovalNeeded(SecondPersonNeeded):
    """It can be done once a second person approves: the finance desk keeps it as a change request.

    `rule` says what one person may do alone, `effect` what this would change, both as sentences; `many` how many of
    those acted on it is about.
    """

    def __init__(self, *, rule: str, effect: str, many: int = 1) -> None:
        super().__init__(
            f"{effect} {rule} Nothing was changed. Propose it at the finance desk, where somebody else approves it; "
            "an API key does it alone only with the scope approvals:write."
        )
        self.rule, self.effect, self.many = rule, effect, many


class WrongRequestState(PreconditionFailed):
    """The change request is decided already, has expired, or can't be carried out as it was proposed."""

    default_code = "wrong_request_state"
