"""Hypothesis judges laws here, not the speed of a shared machine."""

from hypothesis import settings

settings.register_profile("exact-laws", deadline=None)
settings.load_profile("exact-laws")
