"""Settings of the pure tests: the same examples on every run, and no time limit that a busy machine could miss."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
