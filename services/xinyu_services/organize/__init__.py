"""The organize room: the organisation that a server may belong to, its departments, positions and people."""
