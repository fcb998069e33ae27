"""Settings of the pure tests: many examples, the same on every run, and no time limit that a busy machine could miss."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=250)
settings.load_profile("steady")
