"""Calls between rooms: one shape of stub and servicer, whatever carries them."""
