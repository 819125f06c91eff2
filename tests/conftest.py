"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A slow moment of the machine is no failure; a failing example is printed so that it can be replayed.
settings.register_profile("xinyu", deadline=None, print_blob=True)
settings.load_profile("xinyu")
