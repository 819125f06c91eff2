"""Engines that keep things: database, cache. A contract file each, and its implementations."""
