"""A story that is told in a transaction, which is rolled back at its end."""

from django.db import transaction
from hypothesis.stateful import RuleBasedStateMachine


class RolledBackStory(RuleBasedStateMachine):
    """What it does to the database is gone before the next one begins."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)
