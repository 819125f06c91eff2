"""The group room: the truth about groups and belonging."""
