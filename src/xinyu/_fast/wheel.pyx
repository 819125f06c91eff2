"""The engine's timer wheel (wheel.h) alone: keys instead of connections. For tests and benchmarks."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc

from xinyu._fast.connection cimport *

cimport cython

cdef struct timer:
    wheel_node node  # first: so the wheel finds it
    uint32_t key
    uint32_t rest[28]  # as far apart as connections are, so that a benchmark misses the caches as the engine does


@cython.final
cdef class Wheel:
    """Timers for the keys 0 .. capacity - 1, in ticks. The hand starts at tick `now`."""

    cdef wheel *timers
    cdef arena items
    cdef uint32_t capacity

    def __cinit__(self, uint32_t capacity, uint32_t now=0):
        cdef uint32_t key
        self.capacity = capacity
        self.timers = <wheel *>malloc(sizeof(wheel))
        if self.timers == NULL:
            raise MemoryError
        wheel_start(self.timers, now, &self.items)
        self.items.item_bytes = sizeof(timer)
        for key in range(capacity):
            if key % ARENA_CHUNK == 0 and not arena_grow(&self.items):
                raise MemoryError
            self._at(key).key = key

    def __dealloc__(self):
        arena_free(&self.items)
        free(self.timers)

    cdef timer *_at(self, uint32_t key) noexcept:
        return <timer *>arena_at(&self.items, key)

    cdef wheel_node *_node(self, uint32_t key) except NULL:
        if key >= self.capacity:
            raise IndexError(key)
        return &self._at(key).node

    def arm(self, uint32_t key, uint32_t due):
        """Let key fire at tick `due` (at the next one if that has passed), instead of when it would have."""
        wheel_arm(self.timers, self._node(key), key, due)

    def cancel(self, uint32_t key):
        wheel_cancel(self.timers, self._node(key))

    def is_armed(self, uint32_t key):
        return wheel_is_armed(self._node(key))

    def advance(self, uint32_t now, rearm_after=0):
        """Move the hand to `now`; returns [(tick, key)] in the order of firing. With rearm_after each key is armed
        again that many ticks later, as a heartbeat is."""
        cdef list fired = []
        cdef wheel_node *node
        cdef uint32_t after = rearm_after
        while True:
            node = wheel_expire(self.timers, now)
            if node == NULL:
                return fired
            fired.append((self.timers.now, (<timer *>node).key))
            if after:
                wheel_arm(self.timers, node, (<timer *>node).key, self.timers.now + after)

    def advance_count(self, uint32_t now, uint32_t rearm_after=0):
        """advance() that only counts: what a benchmark wants to time."""
        cdef Py_ssize_t count = 0
        cdef wheel_node *node
        while True:
            node = wheel_expire(self.timers, now)
            if node == NULL:
                return count
            count += 1
            if rearm_after:
                wheel_arm(self.timers, node, (<timer *>node).key, self.timers.now + rearm_after)

    def arm_all(self, uint32_t due, uint32_t spread):
        """Arm every key, spread over that many ticks: what a benchmark wants to time."""
        cdef uint32_t key
        for key in range(self.capacity):
            wheel_arm(self.timers, &self._at(key).node, key, due + key % spread)

    def cancel_all(self):
        cdef uint32_t key
        for key in range(self.capacity):
            wheel_cancel(self.timers, &self._at(key).node)

    @property
    def now(self):
        return self.timers.now

    @property
    def armed(self):
        return self.timers.armed
