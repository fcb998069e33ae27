"""The one error of the runtime: what is wrong, what was left untouched, what to do."""


class RuntimeProblem(Exception):
    """A start, a stop or a command can't go on; the message is meant to be read by the person at the keyboard."""
