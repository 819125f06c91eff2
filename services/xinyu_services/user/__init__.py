"""The user room: accounts, profiles, settings, codes."""
