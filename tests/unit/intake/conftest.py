"""No time limit per example: the machine may be busy, and speed is measured in `bench/`."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
