"""How this copy of the extensions was compiled."""

DEBUG_BUILD: bool
