"""The engine's hash map (sets.h) alone: from an id to a number. For tests and benchmarks."""

from libc.stdint cimport uint32_t, uint64_t

from xinyu._fast.connection cimport *

cimport cython


@cython.final
cdef class IdMap:
    """Maps ids 1 .. 2**64 - 1 to counts, as the engine maps users to the number of their connections."""

    cdef idmap places

    def __dealloc__(self):
        idmap_free(&self.places)

    def add(self, uint64_t key):
        """Count one more; returns the count."""
        cdef idmap_entry *entry
        if key == 0:
            raise ValueError("0 is nobody")
        entry = idmap_put(&self.places, key)
        if entry == NULL:
            raise MemoryError
        entry.count += 1
        return entry.count

    def remove(self, uint64_t key):
        """Forget the key; it need not be there."""
        idmap_remove(&self.places, key)

    def get(self, uint64_t key):
        cdef idmap_entry *entry = idmap_get(&self.places, key)
        return entry.count if entry != NULL else 0

    def __len__(self):
        return self.places.used

    @property
    def size(self):
        """Places allocated."""
        return self.places.size

    def keys(self):
        cdef uint32_t i
        cdef list keys = []
        for i in range(self.places.size):
            if self.places.places[i].key:
                keys.append(self.places.places[i].key)
        return keys
