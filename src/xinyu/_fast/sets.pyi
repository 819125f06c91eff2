"""The engine's hash map alone: from an id to a number. For tests and benchmarks."""

from typing import final

@final
class IdMap:
    """Maps ids 1 .. 2**64 - 1 to counts, as the engine maps users to the number of their connections."""

    def add(self, key: int) -> int:
        """Count one more; returns the count. ValueError: key 0."""
    def remove(self, key: int) -> None:
        """Forget the key; it need not be there."""
    def get(self, key: int) -> int: ...
    def __len__(self) -> int: ...
    @property
    def size(self) -> int: ...
    def keys(self) -> list[int]: ...
