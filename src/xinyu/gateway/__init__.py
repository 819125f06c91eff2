"""The two doors: thin. They parse, authenticate, limit, call a service, answer."""
