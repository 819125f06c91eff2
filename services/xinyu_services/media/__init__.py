"""The media room: what users upload."""
