"""Calls to addresses that users have named: public ones only, bounded in time and bytes."""
