"""The note room: what users write down for themselves."""
