"""The talk room: what the conversation list adds to a talk for one user; composes the list and a device's sync."""
