"""How this copy of the extensions was compiled."""

cdef extern from *:
    """
    #ifndef XINYU_DEBUG_BUILD
    #error "build through setup.py"
    #endif
    """
    const int XINYU_DEBUG_BUILD

# True: all of Cython's checks are on (setup.py). The debug run of the tests asserts it.
DEBUG_BUILD = XINYU_DEBUG_BUILD != 0
