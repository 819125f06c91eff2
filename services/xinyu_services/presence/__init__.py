"""The presence room: which gateway holds whom."""
