"""The engine's parser of WebSocket upgrade requests (upgrade.h) alone. For tests, fuzzers and benchmarks."""

from cpython.bytes cimport PyBytes_AS_STRING

from xinyu._fast.connection cimport *


def head_length(bytes data not None, size_t searched=0):
    """Length of the request head at the start of data, blank line included; 0: not complete. The first `searched`
    bytes are known not to hold its end."""
    return upgrade_head_length(PyBytes_AS_STRING(data), len(data), searched)


def parse_request(bytes head not None):
    """Parse a complete request head. (0, path, query, key, [(name, value), ...]) for an upgrade that may be accepted,
    (status, why) for one that must be refused. ValueError: the head is not complete."""
    cdef upgrade_request request
    cdef int status, i
    if upgrade_head_length(PyBytes_AS_STRING(head), len(head), 0) != <size_t>len(head):
        raise ValueError("a head ends with its first blank line")
    status = upgrade_parse(PyBytes_AS_STRING(head), len(head), &request)
    if status:
        return status, request.why.decode()
    headers = [(_bytes(request.names[i]), _bytes(request.values[i])) for i in range(request.header_count)]
    return 0, _bytes(request.path), _bytes(request.query), _bytes(request.key), headers


cdef bytes _bytes(span s):
    return s.text[:s.length]
