"""SQLite statements on a thread that never takes the interpreter's lock (sqlite_thread.h).

The standard library's module gives the lock back around each step of a statement and takes it again: beside a busy
event loop every step waits for its turn. Here a statement's values are copied out under the lock, and its rows are made
into Python's objects when somebody looks; what lies between runs without.

Invariant: statements come back in the order in which they went in, so the two lists of a Writer, Python's statements
and C's jobs, need no names for each other. Cost: one allocation a statement and its values, one an answer.
"""

import _sqlite3
import sqlite3

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_Check
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy, strlen

cimport cython


cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL


cdef extern from "sqlite_thread.h" nogil:
    enum:
        VALUE_NULL
        VALUE_INT
        VALUE_FLOAT
        VALUE_TEXT
        VALUE_BLOB
        JOB_STATEMENT
        JOB_BEGIN
        JOB_COMMIT
        JOB_ROLLBACK
        SLOT_BEGIN
        SLOT_COMMIT
        SLOT_ROLLBACK
        SLOTS_OWN
        WRONG_NOTHING
        WRONG_SQLITE
        WRONG_BINDINGS
        WRONG_SEVERAL
        WRONG_CLOSED
        XSQLITE_NOMEM
        XSQLITE_TOOBIG
    struct sqlite_api_functions "sqlite_api":
        const char *(*libversion)()
        int (*threadsafe)()
        const char *(*errstr)(int code)
    sqlite_api_functions xsqlite
    int sqlite_api_load(const char *file)
    struct value_buffer:
        uint8_t *data
        size_t used
        size_t size
    int values_add_null(value_buffer *values)
    int values_add_number(value_buffer *values, uint8_t kind, const void *number)
    int values_add_bytes(value_buffer *values, uint8_t kind, const void *data, uint32_t size)
    struct sqlite_job:
        sqlite_job *next
        int kind
        uint32_t slot
        char *text
        uint32_t text_size
        int is_dml
        uint32_t parameters
        value_buffer values
        int wrong
        int code
        int wanted
        char *message
        uint32_t columns
        uint64_t rows
        int64_t last_row_id
        int64_t changes
    struct sqlite_thread:
        int eventfd
    char *sqlite_copy(const char *text, size_t size)
    void sqlite_job_free(sqlite_job *job)
    sqlite_thread *sqlite_thread_start(const char *path, const char *setup, uint32_t cached, size_t max_result_bytes)
    void sqlite_thread_put(sqlite_thread *thread, sqlite_job *job, int start)
    sqlite_job *sqlite_thread_take(sqlite_thread *thread)
    void sqlite_thread_waiting(sqlite_thread *thread, uint32_t *jobs, size_t *bytes)
    int sqlite_thread_end(sqlite_thread *thread, int64_t timeout_ms)
    void sqlite_thread_release(sqlite_thread *thread)


# Statements that may wait for the thread, and the bytes of their texts and values. BEGIN, COMMIT and ROLLBACK are
# always taken: a full queue must not keep a transaction from its end.
MAX_WAITING = 4_096
MAX_WAITING_BYTES = 64 << 20
# Of rows that were found and not yet fetched.
MAX_RESULT_BYTES = 64 << 20

cdef uint32_t _MAX_WAITING = MAX_WAITING
cdef size_t _MAX_WAITING_BYTES = MAX_WAITING_BYTES

cdef tuple _DML = ("INSERT", "UPDATE", "DELETE", "REPLACE")

# As _pysqlite_seterror of the standard library has it; what is not here is a DatabaseError.
cdef dict _CLASSES = {
    **dict.fromkeys((2, 12), sqlite3.InternalError),
    **dict.fromkeys((1, 3, 4, 5, 6, 8, 9, 10, 13, 14, 15, 16, 17), sqlite3.OperationalError),
    7: MemoryError,
    18: sqlite3.DataError,
    **dict.fromkeys((19, 20), sqlite3.IntegrityError),
    **dict.fromkeys((21, 25), sqlite3.InterfaceError),
}


class QueueFull(sqlite3.OperationalError):
    """MAX_WAITING statements or MAX_WAITING_BYTES wait for the thread: nothing was taken."""


cdef object _is_available = None


def available():
    """True where the interpreter's own SQLite can be called from here: its functions are found in the library of the
    sqlite3 module (not in an interpreter that is linked with everything), and it is built for threads."""
    global _is_available
    cdef bytes file
    if _is_available is None:
        file = (getattr(_sqlite3, "__file__", None) or "").encode()
        _is_available = bool(
            file
            and sqlite_api_load(file)
            and xsqlite.libversion().decode() == sqlite3.sqlite_version
            and xsqlite.threadsafe()
        )
    return _is_available


cdef object _with_code(object error, int code):
    error.sqlite_errorcode = code
    return error


cdef object _error(sqlite_job *job, str closed):
    """The exception that the standard library would have raised."""
    cdef str message
    if job.wrong == WRONG_BINDINGS:
        return sqlite3.ProgrammingError(
            f"Incorrect number of bindings supplied. The current statement uses {job.wanted}, "
            f"and there are {job.parameters} supplied."
        )
    if job.wrong == WRONG_SEVERAL:
        return sqlite3.ProgrammingError("You can only execute one statement at a time.")
    if job.wrong == WRONG_CLOSED:
        return _with_code(sqlite3.OperationalError(closed), job.code)
    if job.message != NULL:
        message = PyUnicode_DecodeUTF8(job.message, strlen(job.message), "replace")
    else:
        message = xsqlite.errstr(job.code).decode()
    return _with_code(_CLASSES.get(job.code & 0xFF, sqlite3.DatabaseError)(message), job.code)


cdef list _rows(sqlite_job *job):
    """A result as the standard library gives it: tuples of None, int, float, str, bytes."""
    cdef const uint8_t *p = job.values.data
    cdef list rows = []
    cdef uint64_t n
    cdef uint32_t column, size
    cdef int64_t integer
    cdef double number
    cdef tuple row
    cdef object value
    for n in range(job.rows):
        row = PyTuple_New(job.columns)
        for column in range(job.columns):
            if p[0] == VALUE_INT:
                memcpy(&integer, p + 1, 8)
                p += 9
                value = integer
            elif p[0] == VALUE_TEXT or p[0] == VALUE_BLOB:
                memcpy(&size, p + 1, 4)
                if p[0] == VALUE_TEXT:
                    value = _text(<const char *>p + 5, size)
                else:
                    value = PyBytes_FromStringAndSize(<const char *>p + 5, size)
                p += 5 + <size_t>size
            elif p[0] == VALUE_FLOAT:
                memcpy(&number, p + 1, 8)
                p += 9
                value = number
            else:
                p += 1
                value = None
            Py_INCREF(value)
            PyTuple_SET_ITEM(row, column, value)
        rows.append(row)
    return rows


cdef object _text(const char *data, Py_ssize_t size):
    try:
        return PyUnicode_DecodeUTF8(data, size, NULL)
    except UnicodeDecodeError:
        raise sqlite3.OperationalError("Could not decode to UTF-8 a column's text") from None


cdef int _encode(value_buffer *values, object value) except -1:
    cdef int overflow = 0
    cdef int64_t integer
    cdef double number
    cdef Py_ssize_t size = 0
    cdef const char *data
    cdef int is_added
    if PyLong_Check(value):
        integer = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        is_added = values_add_number(values, VALUE_INT, &integer)
    elif PyUnicode_Check(value):
        data = PyUnicode_AsUTF8AndSize(value, &size)
        _check_size(values, size)
        is_added = values_add_bytes(values, VALUE_TEXT, data, <uint32_t>size)
    elif value is None:
        is_added = values_add_null(values)
    elif PyBytes_Check(value):
        size = PyBytes_GET_SIZE(value)
        _check_size(values, size)
        is_added = values_add_bytes(values, VALUE_BLOB, PyBytes_AS_STRING(value), <uint32_t>size)
    elif PyFloat_Check(value):
        number = PyFloat_AS_DOUBLE(value)
        is_added = values_add_number(values, VALUE_FLOAT, &number)
    else:
        raise TypeError(f"SQLite has no value for a {type(value).__name__}")
    if not is_added:
        raise MemoryError
    return 0


cdef int _check_size(const value_buffer *values, Py_ssize_t size) except -1:
    if <size_t>size > _MAX_WAITING_BYTES or values.used + <size_t>size > _MAX_WAITING_BYTES:
        raise _with_code(sqlite3.DataError("the values of one statement are too large"), XSQLITE_TOOBIG)
    return 0


@cython.final
@cython.freelist(64)
cdef class Statement:
    """One statement on its way, and its answer. What is not `done` has no other attribute that means anything."""

    cdef Statement _next
    cdef readonly bint done
    cdef readonly object error  # an exception or None
    cdef readonly list rows
    cdef readonly int64_t lastrowid
    cdef readonly int64_t rowcount
    cdef public object waiter  # an asyncio.Future or None

    def __init__(self):
        raise TypeError("made by Writer")

    cdef int _finish(self, sqlite_job *job, object error) except -1:
        cdef object waiter = self.waiter
        self.rows = []
        self.rowcount = -1
        self.error = error
        if job != NULL:
            try:
                if job.wrong:
                    self.error = _error(job, "the connection was closed")
                else:
                    self.rows = _rows(job)
                    self.lastrowid = job.last_row_id
                    self.rowcount = job.changes
            except Exception as failure:  # out of memory; text that is none
                self.error = failure
        self.done = True
        self.waiter = None
        # A loop that has gone left its futures behind.
        if waiter is not None and not waiter.done() and not waiter.get_loop().is_closed():
            waiter.set_result(None)
        return 0


@cython.final
cdef class Writer:
    """A connection to `path` and the thread that runs its statements. All methods from one thread.

    `pragmas`: statements run on a new connection, such as "PRAGMA synchronous=FULL". The connection is opened by the
    first statement; one that cannot be opened is that statement's error, and the next tries again. Of
    `cached_statements` texts the prepared statement is kept, the latest used.

    Raises OSError when there is neither memory nor thread for it, RuntimeError where `available` says no.
    """

    cdef sqlite_thread *_thread
    cdef Statement _first
    cdef Statement _last
    cdef dict _slots  # str -> int: where its prepared statement lies; the least lately used is first
    cdef list _free_slots  # of int
    cdef object __weakref__

    def __cinit__(self, str path, pragmas, uint32_t cached_statements):
        cdef bytes setup = "".join([f"{pragma};" for pragma in pragmas]).encode()
        cdef bytes name = path.encode()
        if not available():
            raise RuntimeError("the interpreter's SQLite cannot be called from here")
        if cached_statements == 0 or cached_statements > 100_000:
            raise ValueError("cached_statements: 1 .. 100,000")
        if b"\0" in name or b"\0" in setup:
            raise ValueError("embedded null character")
        self._slots = {}
        self._free_slots = list(range(SLOTS_OWN + cached_statements - 1, SLOTS_OWN - 1, -1))
        self._thread = sqlite_thread_start(name, setup, cached_statements, MAX_RESULT_BYTES)
        if self._thread == NULL:
            raise OSError("SQLite's thread cannot be started")

    def __dealloc__(self):
        if self._thread != NULL:
            sqlite_thread_end(self._thread, 0)
            sqlite_thread_release(self._thread)

    def fileno(self):
        """A descriptor that becomes readable when `poll` has something to do. It lives until `close`."""
        self._check_open()
        return self._thread.eventfd

    def execute(self, str sql not None, parameters=()):
        """Hands over one statement, values bound by position, and returns at once.

        Values are None, int (64 bits, or OverflowError), float, str, bytes; others are a TypeError, and `parameters`
        is a list or a tuple. Raises QueueFull, sqlite3.DataError when the values alone are too many for the queue,
        sqlite3.ProgrammingError when closed; nothing was taken then. What SQLite says comes with the Statement.
        """
        cdef sqlite_job *job
        cdef Py_ssize_t i
        cdef Py_ssize_t size = 0
        cdef const char *text = NULL
        self._check_open()
        slot = self._slots.pop(sql, None)
        try:
            if slot is None:
                text = PyUnicode_AsUTF8AndSize(sql, &size)
                if <size_t>size > _MAX_WAITING_BYTES:
                    raise _with_code(sqlite3.DataError("query string is too large"), XSQLITE_TOOBIG)
                if strlen(text) != <size_t>size:
                    raise sqlite3.ProgrammingError("the query contains a null character")
            job = self._job(JOB_STATEMENT)
            try:
                if isinstance(parameters, tuple):
                    for i in range(PyTuple_GET_SIZE(parameters)):
                        _encode(&job.values, <object>PyTuple_GET_ITEM(parameters, i))
                    job.parameters = <uint32_t>PyTuple_GET_SIZE(parameters)
                elif isinstance(parameters, list):
                    for i in range(PyList_GET_SIZE(parameters)):
                        _encode(&job.values, <object>PyList_GET_ITEM(parameters, i))
                    job.parameters = <uint32_t>PyList_GET_SIZE(parameters)
                else:
                    raise TypeError("parameters: a list or a tuple")
                self._check_room(job.values.used + <size_t>size)
                if text != NULL:
                    job.text = sqlite_copy(text, size)
                    if job.text == NULL:
                        raise MemoryError
                    job.text_size = <uint32_t>size
                    job.is_dml = sql.lstrip()[:7].upper().startswith(_DML)
                    slot = self._free_slot()
            except BaseException:
                sqlite_job_free(job)
                raise
            job.slot = slot
        finally:
            if slot is not None:
                self._slots[sql] = slot  # the latest used
        return self._put(job, True)

    def begin(self):
        """Hands over BEGIN IMMEDIATE; it is run when something follows. A transaction that somebody left open is rolled
        back first."""
        self._check_open()
        return self._put(self._job(JOB_BEGIN), False)

    def commit(self):
        """Hands over COMMIT. If a statement of the transaction failed, or COMMIT does, it is rolled back, and the first
        error is this one's too."""
        self._check_open()
        return self._put(self._job(JOB_COMMIT), True)

    def rollback(self):
        """Hands over ROLLBACK; without a transaction it does nothing."""
        self._check_open()
        return self._put(self._job(JOB_ROLLBACK), True)

    def poll(self):
        """Finishes the statements that are through: their attributes get their values, their waiters wake up."""
        if self._thread != NULL:
            self._poll()

    def close(self, double timeout_s=10.0):
        """Interrupts what runs, fails what waits, rolls back, closes the connection; waits at most `timeout_s` for that
        and returns whether it came to its end in time. Statements are all done afterwards. Idempotent."""
        cdef sqlite_thread *thread = self._thread
        cdef int64_t timeout_ms = <int64_t>(max(0.0, min(timeout_s, 1e6)) * 1000)
        cdef int has_ended
        cdef Statement statement
        if thread == NULL:
            return True
        self._thread = NULL  # whoever comes while we wait finds it closed
        with nogil:
            has_ended = sqlite_thread_end(thread, timeout_ms)
        self._finish_all(sqlite_thread_take(thread))
        while self._first is not None:
            statement = self._shift()
            statement._finish(NULL, _with_code(sqlite3.OperationalError("the connection was closed"), 9))
        sqlite_thread_release(thread)
        return bool(has_ended)

    cdef int _check_open(self) except -1:
        if self._thread == NULL:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return 0

    cdef int _check_room(self, size_t more) except -1:
        cdef uint32_t jobs = 0
        cdef size_t size = 0
        sqlite_thread_waiting(self._thread, &jobs, &size)
        if jobs >= _MAX_WAITING or size + more > _MAX_WAITING_BYTES:
            raise _with_code(QueueFull("too many statements wait"), XSQLITE_NOMEM)
        return 0

    cdef object _free_slot(self):
        """A slot for one more text; the one that was used the longest time ago makes room."""
        if self._free_slots:
            return self._free_slots.pop()
        return self._slots.pop(next(iter(self._slots)))

    cdef sqlite_job *_job(self, int kind) except NULL:
        cdef sqlite_job *job = <sqlite_job *>calloc(1, sizeof(sqlite_job))
        if job == NULL:
            raise MemoryError
        job.kind = kind
        if kind == JOB_BEGIN:
            job.slot = SLOT_BEGIN
        elif kind == JOB_COMMIT:
            job.slot = SLOT_COMMIT
        elif kind == JOB_ROLLBACK:
            job.slot = SLOT_ROLLBACK
        return job

    cdef Statement _put(self, sqlite_job *job, bint start):
        cdef Statement statement
        try:
            statement = Statement.__new__(Statement)
        except BaseException:
            sqlite_job_free(job)
            raise
        if self._last is None:
            self._first = statement
        else:
            self._last._next = statement
        self._last = statement
        sqlite_thread_put(self._thread, job, start)
        return statement

    cdef Statement _shift(self):
        cdef Statement statement = self._first
        self._first = statement._next
        statement._next = None
        if self._first is None:
            self._last = None
        return statement

    cdef int _poll(self) except -1:
        return self._finish_all(sqlite_thread_take(self._thread))

    cdef int _finish_all(self, sqlite_job *job) except -1:
        cdef sqlite_job *following
        cdef object failure = None
        while job != NULL:
            following = job.next
            try:
                self._shift()._finish(job, None)
            except BaseException as error:  # of a waiter; the others must not miss their answers
                failure = error
            sqlite_job_free(job)
            job = following
        if failure is not None:
            raise failure
        return 0
