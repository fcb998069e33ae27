"""Settings of the pure tests: many examples, the same ones on every run, and no time limit for busy machines."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=150)
settings.load_profile("steady")
