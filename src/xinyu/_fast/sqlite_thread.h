/* One SQLite connection on one thread that never touches Python.
 *
 * Design. Jobs (a statement with its values) come in through a list under a mutex and go out, with their rows, through
 * another; both are taken whole, so that a lock is held for a few instructions. The thread sleeps on a condition
 * variable. When it has finished all that waits it makes an eventfd readable, once until the other side has looked.
 * SQLite is called through pointers found by dlsym in the library that the interpreter's own sqlite3 module uses:
 * POSIX locks belong to the process, so that a second copy of SQLite on the same file would drop the first one's.
 *
 * A transaction is BEGIN, statements, COMMIT or ROLLBACK. The first error in it is the error of all that follows, which
 * is not run; COMMIT then rolls back. So whoever queued a whole transaction need look at its COMMIT only.
 *
 * Prepared statements have numbered slots. Which text has which slot is decided by the other side: a job that brings a
 * text puts it into its slot, a job without uses what is there. Jobs run in order, so the two never disagree.
 *
 * Invariants: `db` and the slots are the thread's alone, but for sqlite3_interrupt under the mutex; a job belongs to
 * whoever holds its list. The state has two owners, thread and caller; the last one out frees it, so that a thread that
 * is stuck in the kernel can be left behind.
 *
 * Bounds: jobs and bytes that wait, and bytes of results that nobody has fetched.
 */
#ifndef XINYU_SQLITE_THREAD_H
#define XINYU_SQLITE_THREAD_H

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* ---------------------------------------------------------------- SQLite's functions (sqlite.org/c3ref) */

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

#define XSQLITE_OK 0
#define XSQLITE_NOMEM 7
#define XSQLITE_INTERRUPT 9
#define XSQLITE_TOOBIG 18
#define XSQLITE_MISUSE 21
#define XSQLITE_ROW 100
#define XSQLITE_DONE 101
#define XSQLITE_INTEGER 1
#define XSQLITE_FLOAT 2
#define XSQLITE_TEXT 3
#define XSQLITE_BLOB 4
#define XSQLITE_OPEN 0x8006u /* READWRITE | CREATE | NOMUTEX */
#define XSQLITE_PREPARE_PERSISTENT 1u

typedef struct sqlite_api {
    const char *(*libversion)(void);
    int (*threadsafe)(void);
    int (*open_v2)(const char *, sqlite3 **, int, const char *);
    int (*close_v2)(sqlite3 *);
    int (*extended_result_codes)(sqlite3 *, int);
    int (*exec)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    int (*prepare_v3)(sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);
    int (*finalize)(sqlite3_stmt *);
    int (*reset)(sqlite3_stmt *);
    int (*clear_bindings)(sqlite3_stmt *);
    int (*step)(sqlite3_stmt *);
    int (*bind_parameter_count)(sqlite3_stmt *);
    int (*bind_null)(sqlite3_stmt *, int);
    int (*bind_int64)(sqlite3_stmt *, int, int64_t);
    int (*bind_double)(sqlite3_stmt *, int, double);
    int (*bind_text)(sqlite3_stmt *, int, const char *, int, void (*)(void *));
    int (*bind_blob)(sqlite3_stmt *, int, const void *, int, void (*)(void *));
    int (*column_count)(sqlite3_stmt *);
    int (*column_type)(sqlite3_stmt *, int);
    int64_t (*column_int64)(sqlite3_stmt *, int);
    double (*column_double)(sqlite3_stmt *, int);
    const unsigned char *(*column_text)(sqlite3_stmt *, int);
    const void *(*column_blob)(sqlite3_stmt *, int);
    int (*column_bytes)(sqlite3_stmt *, int);
    int64_t (*last_insert_rowid)(sqlite3 *);
    int (*changes)(sqlite3 *);
    int (*get_autocommit)(sqlite3 *);
    const char *(*errmsg)(sqlite3 *);
    const char *(*errstr)(int);
    int (*extended_errcode)(sqlite3 *);
    void (*interrupt)(sqlite3 *);
} sqlite_api;

static sqlite_api xsqlite;

/* 1 when all functions were found in `file` (which is loaded already) or in what it was linked with. */
static inline int sqlite_api_load(const char *file) {
    void *library = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
    if (library == NULL)
        return 0;
#define XSQLITE_FIND(name)                                         \
    do {                                                           \
        void *found = dlsym(library, "sqlite3_" #name);            \
        if (found == NULL) {                                       \
            dlclose(library);                                      \
            return 0;                                              \
        }                                                          \
        memcpy(&xsqlite.name, &found, sizeof found);               \
    } while (0)
    XSQLITE_FIND(libversion);
    XSQLITE_FIND(threadsafe);
    XSQLITE_FIND(open_v2);
    XSQLITE_FIND(close_v2);
    XSQLITE_FIND(extended_result_codes);
    XSQLITE_FIND(exec);
    XSQLITE_FIND(prepare_v3);
    XSQLITE_FIND(finalize);
    XSQLITE_FIND(reset);
    XSQLITE_FIND(clear_bindings);
    XSQLITE_FIND(step);
    XSQLITE_FIND(bind_parameter_count);
    XSQLITE_FIND(bind_null);
    XSQLITE_FIND(bind_int64);
    XSQLITE_FIND(bind_double);
    XSQLITE_FIND(bind_text);
    XSQLITE_FIND(bind_blob);
    XSQLITE_FIND(column_count);
    XSQLITE_FIND(column_type);
    XSQLITE_FIND(column_int64);
    XSQLITE_FIND(column_double);
    XSQLITE_FIND(column_text);
    XSQLITE_FIND(column_blob);
    XSQLITE_FIND(column_bytes);
    XSQLITE_FIND(last_insert_rowid);
    XSQLITE_FIND(changes);
    XSQLITE_FIND(get_autocommit);
    XSQLITE_FIND(errmsg);
    XSQLITE_FIND(errstr);
    XSQLITE_FIND(extended_errcode);
    XSQLITE_FIND(interrupt);
#undef XSQLITE_FIND
    return 1; /* the handle is kept: the functions must stay where they are */
}

/* ---------------------------------------------------------------- values, as a job carries them both ways */

/* A value is its kind in one byte, then: nothing; 8 bytes of int64_t or double; or a uint32_t size and the bytes. */
enum { VALUE_NULL = 0, VALUE_INT = 1, VALUE_FLOAT = 2, VALUE_TEXT = 3, VALUE_BLOB = 4 };

typedef struct value_buffer {
    uint8_t *data;
    size_t used, size;
} value_buffer;

/* 0: out of memory, and nothing has changed. */
static inline int values_reserve(value_buffer *b, size_t more) {
    if (b->size - b->used >= more)
        return 1;
    size_t size = b->size ? b->size * 2 : 256;
    while (size - b->used < more)
        size *= 2;
    uint8_t *data = realloc(b->data, size);
    if (data == NULL)
        return 0;
    b->data = data;
    b->size = size;
    return 1;
}

static inline int values_add_null(value_buffer *b) {
    if (!values_reserve(b, 1))
        return 0;
    b->data[b->used++] = VALUE_NULL;
    return 1;
}

/* 8 bytes of an int64_t or a double. */
static inline int values_add_number(value_buffer *b, uint8_t kind, const void *number) {
    if (!values_reserve(b, 9))
        return 0;
    b->data[b->used] = kind;
    memcpy(b->data + b->used + 1, number, 8);
    b->used += 9;
    return 1;
}

static inline int values_add_bytes(value_buffer *b, uint8_t kind, const void *data, uint32_t size) {
    if (!values_reserve(b, 5 + (size_t)size))
        return 0;
    b->data[b->used] = kind;
    memcpy(b->data + b->used + 1, &size, 4);
    if (size)
        memcpy(b->data + b->used + 5, data, size);
    b->used += 5 + (size_t)size;
    return 1;
}

/* ---------------------------------------------------------------- jobs */

enum { JOB_STATEMENT, JOB_BEGIN, JOB_COMMIT, JOB_ROLLBACK };

/* Slots of the three that have no text from outside. */
enum { SLOT_BEGIN, SLOT_COMMIT, SLOT_ROLLBACK, SLOTS_OWN };

/* What went wrong, when it was not SQLite: the same classes as of the standard library's module. */
enum { WRONG_NOTHING, WRONG_SQLITE, WRONG_BINDINGS, WRONG_SEVERAL, WRONG_CLOSED };

typedef struct sqlite_job {
    struct sqlite_job *next;
    int kind;
    uint32_t slot;
    char *text; /* to be put into the slot, or NULL */
    uint32_t text_size;
    int is_dml;
    uint32_t parameters;
    value_buffer values; /* of the parameters, then of the rows */
    /* the result */
    int wrong;
    int code;      /* SQLite's, extended */
    int wanted;    /* parameters, when they were too many or too few */
    char *message; /* SQLite's own, or NULL */
    uint32_t columns;
    uint64_t rows;
    int64_t last_row_id;
    int64_t changes; /* -1: not INSERT, UPDATE, DELETE or REPLACE */
} sqlite_job;

static inline void sqlite_job_free(sqlite_job *job) {
    if (job == NULL)
        return;
    free(job->text);
    free(job->message);
    free(job->values.data);
    free(job);
}

static inline void sqlite_jobs_free(sqlite_job *job) {
    while (job != NULL) {
        sqlite_job *next = job->next;
        sqlite_job_free(job);
        job = next;
    }
}

static inline size_t sqlite_job_size(const sqlite_job *job) {
    return sizeof *job + job->text_size + job->values.size;
}

/* ---------------------------------------------------------------- the thread */

typedef struct sqlite_slot {
    char *text;
    uint32_t text_size;
    int is_dml;
    sqlite3_stmt *prepared;
} sqlite_slot;

typedef struct sqlite_thread {
    pthread_mutex_t mutex;
    pthread_cond_t wake;  /* of the thread: work, or the end */
    pthread_cond_t ended; /* of the one that closes */
    /* under the mutex */
    sqlite_job *first, *last;           /* wait */
    sqlite_job *first_done, *last_done; /* wait to be fetched */
    uint32_t waiting;
    size_t waiting_bytes, done_bytes;
    int is_sleeping, is_signalled, is_closing, has_ended, owners;
    sqlite3 *db; /* written by the thread under the mutex, read by it without */
    /* given at the start */
    int eventfd;
    size_t max_result_bytes;
    char *path;
    char *setup; /* statements of a new connection */
    uint32_t slot_count;
    /* the thread's alone */
    sqlite_slot *slots;
    int in_transaction;
    int failed_wrong, failed_code, failed_wanted; /* of the transaction's first error */
    char *failed_message;
} sqlite_thread;

static inline char *sqlite_copy(const char *text, size_t size) {
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = 0;
    }
    return copy;
}

static inline void sqlite_thread_release(sqlite_thread *t) {
    pthread_mutex_lock(&t->mutex);
    int left = --t->owners;
    pthread_mutex_unlock(&t->mutex);
    if (left)
        return;
    sqlite_jobs_free(t->first);
    sqlite_jobs_free(t->first_done);
    for (uint32_t i = 0; t->slots != NULL && i < t->slot_count; i++)
        free(t->slots[i].text);
    free(t->slots);
    free(t->path);
    free(t->setup);
    free(t->failed_message);
    if (t->eventfd >= 0)
        close(t->eventfd);
    pthread_mutex_destroy(&t->mutex);
    pthread_cond_destroy(&t->wake);
    pthread_cond_destroy(&t->ended);
    free(t);
}

static inline void sqlite_set_db(sqlite_thread *t, sqlite3 *db) {
    pthread_mutex_lock(&t->mutex);
    t->db = db;
    pthread_mutex_unlock(&t->mutex);
}

static inline void sqlite_failed(sqlite_job *job, int wrong, int code, const char *message) {
    job->wrong = wrong;
    job->code = code;
    job->message = message != NULL ? sqlite_copy(message, strlen(message)) : NULL;
    job->values.used = 0;
    job->rows = 0;
}

static inline void sqlite_failed_by_db(sqlite_thread *t, sqlite_job *job) {
    sqlite_failed(job, WRONG_SQLITE, xsqlite.extended_errcode(t->db), xsqlite.errmsg(t->db));
}

static inline void sqlite_disconnect(sqlite_thread *t) {
    sqlite3 *db = t->db;
    if (db == NULL)
        return;
    for (uint32_t i = 0; i < t->slot_count; i++) {
        xsqlite.finalize(t->slots[i].prepared);
        t->slots[i].prepared = NULL;
    }
    sqlite_set_db(t, NULL);
    xsqlite.close_v2(db);
}

/* A connection that cannot be had is tried again by the next job. */
static inline int sqlite_connect(sqlite_thread *t, sqlite_job *job) {
    sqlite3 *db = NULL;
    int code = xsqlite.open_v2(t->path, &db, (int)XSQLITE_OPEN, NULL);
    if (code == XSQLITE_OK) {
        xsqlite.extended_result_codes(db, 1);
        code = xsqlite.exec(db, t->setup, NULL, NULL, NULL);
    }
    if (code == XSQLITE_OK) {
        sqlite_set_db(t, db);
        return 1;
    }
    if (db == NULL)
        sqlite_failed(job, WRONG_SQLITE, XSQLITE_NOMEM, "out of memory");
    else
        sqlite_failed(job, WRONG_SQLITE, xsqlite.extended_errcode(db), xsqlite.errmsg(db));
    xsqlite.close_v2(db);
    return 0;
}

static inline int sqlite_prepare(sqlite_thread *t, sqlite_job *job, sqlite_slot *slot) {
    const char *tail = NULL;
    if (slot->prepared != NULL)
        return 1;
    if (xsqlite.prepare_v3(t->db, slot->text, (int)slot->text_size + 1, XSQLITE_PREPARE_PERSISTENT, &slot->prepared,
                           &tail) != XSQLITE_OK) {
        sqlite_failed_by_db(t, job);
        return 0;
    }
    if (slot->prepared != NULL && tail != NULL && *tail) {
        sqlite3_stmt *second = NULL;
        /* White space and comments are no second statement. */
        if (xsqlite.prepare_v3(t->db, tail, -1, 0, &second, NULL) != XSQLITE_OK || second != NULL) {
            xsqlite.finalize(second);
            xsqlite.finalize(slot->prepared);
            slot->prepared = NULL;
            sqlite_failed(job, WRONG_SEVERAL, 0, NULL);
            return 0;
        }
    }
    return 1;
}

static inline int sqlite_bind(sqlite_thread *t, sqlite_job *job, sqlite3_stmt *prepared) {
    const uint8_t *p = job->values.data;
    int wanted = xsqlite.bind_parameter_count(prepared), code = XSQLITE_OK;
    if (wanted != (int)job->parameters) {
        sqlite_failed(job, WRONG_BINDINGS, 0, NULL);
        job->wanted = wanted;
        return 0;
    }
    for (int i = 1; i <= wanted && code == XSQLITE_OK; i++) {
        int64_t integer;
        double number;
        uint32_t size;
        switch (*p++) {
        case VALUE_NULL:
            code = xsqlite.bind_null(prepared, i);
            break;
        case VALUE_INT:
            memcpy(&integer, p, 8);
            p += 8;
            code = xsqlite.bind_int64(prepared, i, integer);
            break;
        case VALUE_FLOAT:
            memcpy(&number, p, 8);
            p += 8;
            code = xsqlite.bind_double(prepared, i, number);
            break;
        case VALUE_TEXT: /* the job outlives the binding: no copy, no destructor */
            memcpy(&size, p, 4);
            code = xsqlite.bind_text(prepared, i, (const char *)p + 4, (int)size, NULL);
            p += 4 + (size_t)size;
            break;
        default:
            memcpy(&size, p, 4);
            code = xsqlite.bind_blob(prepared, i, p + 4, (int)size, NULL);
            p += 4 + (size_t)size;
        }
    }
    if (code != XSQLITE_OK) {
        sqlite_failed_by_db(t, job);
        return 0;
    }
    return 1;
}

/* The row that the statement stands on. 0: it failed, and the job says why. */
static inline int sqlite_keep_row(sqlite_job *job, sqlite3_stmt *prepared, value_buffer *rows, size_t most) {
    for (int i = 0; i < (int)job->columns; i++) {
        int added, size;
        const void *data;
        int64_t integer;
        double number;
        switch (xsqlite.column_type(prepared, i)) {
        case XSQLITE_INTEGER:
            integer = xsqlite.column_int64(prepared, i);
            added = values_add_number(rows, VALUE_INT, &integer);
            break;
        case XSQLITE_FLOAT:
            number = xsqlite.column_double(prepared, i);
            added = values_add_number(rows, VALUE_FLOAT, &number);
            break;
        case XSQLITE_TEXT:
            data = xsqlite.column_text(prepared, i);
            size = xsqlite.column_bytes(prepared, i);
            added = data != NULL && values_add_bytes(rows, VALUE_TEXT, data, (uint32_t)size);
            break;
        case XSQLITE_BLOB:
            data = xsqlite.column_blob(prepared, i);
            size = xsqlite.column_bytes(prepared, i);
            added = (data != NULL || size == 0) && values_add_bytes(rows, VALUE_BLOB, data, (uint32_t)size);
            break;
        default:
            added = values_add_null(rows);
        }
        if (!added) {
            sqlite_failed(job, WRONG_SQLITE, XSQLITE_NOMEM, "out of memory");
            return 0;
        }
        if (rows->used > most) {
            sqlite_failed(job, WRONG_SQLITE, XSQLITE_TOOBIG, "result too large");
            return 0;
        }
    }
    /* A row without columns has no bytes, so that nothing else would bound their number; SQLite has none such. */
    job->rows++;
    return 1;
}

/* Runs the slot's statement to its end. */
static inline void sqlite_run_statement(sqlite_thread *t, sqlite_job *job, sqlite_slot *slot) {
    value_buffer rows = {NULL, 0, 0};
    job->changes = -1;
    if (!sqlite_prepare(t, job, slot))
        return;
    sqlite3_stmt *prepared = slot->prepared;
    if (prepared == NULL) /* white space, a comment */
        return;
    if (sqlite_bind(t, job, prepared)) {
        pthread_mutex_lock(&t->mutex);
        size_t most = t->max_result_bytes > t->done_bytes ? t->max_result_bytes - t->done_bytes : 0;
        pthread_mutex_unlock(&t->mutex);
        int code = xsqlite.step(prepared);
        job->columns = (uint32_t)xsqlite.column_count(prepared); /* known after the first step: a schema may change */
        while (code == XSQLITE_ROW && sqlite_keep_row(job, prepared, &rows, most))
            code = xsqlite.step(prepared);
        if (code == XSQLITE_DONE) {
            job->last_row_id = xsqlite.last_insert_rowid(t->db);
            if (slot->is_dml)
                job->changes = xsqlite.changes(t->db);
        } else if (code != XSQLITE_ROW)
            sqlite_failed_by_db(t, job);
    }
    xsqlite.reset(prepared);
    xsqlite.clear_bindings(prepared);
    free(job->values.data);
    job->values = rows;
    if (job->wrong) {
        free(rows.data);
        memset(&job->values, 0, sizeof job->values);
    }
}

static inline void sqlite_roll_back(sqlite_thread *t) {
    /* Some errors have rolled back by themselves. */
    if (t->db != NULL && !xsqlite.get_autocommit(t->db) &&
        xsqlite.exec(t->db, "ROLLBACK", NULL, NULL, NULL) != XSQLITE_OK && !xsqlite.get_autocommit(t->db))
        sqlite_disconnect(t); /* what cannot be rolled back is let go of, and SQLite does it at the next opening */
    t->in_transaction = 0;
    t->failed_wrong = WRONG_NOTHING;
    free(t->failed_message);
    t->failed_message = NULL;
}

static inline void sqlite_run(sqlite_thread *t, sqlite_job *job) {
    sqlite_slot *slot = &t->slots[job->slot];
    if (job->text != NULL) {
        xsqlite.finalize(slot->prepared);
        free(slot->text);
        slot->prepared = NULL;
        slot->text = job->text;
        slot->text_size = job->text_size;
        slot->is_dml = job->is_dml;
        job->text = NULL;
        job->text_size = 0;
    }
    if (job->kind == JOB_ROLLBACK) {
        sqlite_roll_back(t);
        return;
    }
    if (job->kind == JOB_BEGIN) {
        sqlite_roll_back(t); /* of one who left in the middle */
        t->in_transaction = 1;
    }
    if (t->failed_wrong) {
        sqlite_failed(job, t->failed_wrong, t->failed_code, t->failed_message);
        job->wanted = t->failed_wanted;
    } else if (t->db != NULL || sqlite_connect(t, job))
        sqlite_run_statement(t, job, slot);
    if (job->kind == JOB_COMMIT)
        sqlite_roll_back(t); /* nothing is left to be rolled back unless it failed */
    else if (job->wrong && t->in_transaction && !t->failed_wrong) {
        t->failed_wrong = job->wrong;
        t->failed_code = job->code;
        t->failed_wanted = job->wanted;
        t->failed_message = job->message != NULL ? sqlite_copy(job->message, strlen(job->message)) : NULL;
    }
}

/* The mutex is held. */
static inline void sqlite_done(sqlite_thread *t, sqlite_job *job) {
    job->next = NULL;
    if (t->last_done != NULL)
        t->last_done->next = job;
    else
        t->first_done = job;
    t->last_done = job;
    t->done_bytes += job->values.size;
}

/* The mutex is held, so that who finds `is_signalled` set finds the eventfd readable. */
static inline void sqlite_signal(sqlite_thread *t) {
    if (t->first_done != NULL && !t->is_signalled) {
        t->is_signalled = 1;
        eventfd_write(t->eventfd, 1);
    }
}

static inline void *sqlite_thread_main(void *argument) {
    sqlite_thread *t = argument;
    pthread_mutex_lock(&t->mutex);
    for (;;) {
        sqlite_job *job = t->first;
        if (t->is_closing)
            break;
        if (job == NULL) {
            sqlite_signal(t);
            t->is_sleeping = 1;
            pthread_cond_wait(&t->wake, &t->mutex);
            t->is_sleeping = 0;
            continue;
        }
        t->first = job->next;
        if (t->first == NULL)
            t->last = NULL;
        t->waiting--;
        t->waiting_bytes -= sqlite_job_size(job);
        pthread_mutex_unlock(&t->mutex);
        sqlite_run(t, job);
        pthread_mutex_lock(&t->mutex);
        sqlite_done(t, job);
    }
    pthread_mutex_unlock(&t->mutex);
    sqlite_disconnect(t); /* rolls back what was not committed */
    pthread_mutex_lock(&t->mutex);
    while (t->first != NULL) {
        sqlite_job *job = t->first;
        t->first = job->next;
        sqlite_failed(job, WRONG_CLOSED, XSQLITE_INTERRUPT, NULL);
        sqlite_done(t, job);
    }
    t->last = NULL;
    t->waiting = 0;
    t->waiting_bytes = 0;
    sqlite_signal(t);
    t->has_ended = 1;
    pthread_cond_signal(&t->ended);
    pthread_mutex_unlock(&t->mutex);
    sqlite_thread_release(t);
    return NULL;
}

/* ---------------------------------------------------------------- from outside */

/* NULL: out of memory, descriptors or threads. */
static inline sqlite_thread *sqlite_thread_start(const char *path, const char *setup, uint32_t cached,
                                                 size_t max_result_bytes) {
    static const char *const own[SLOTS_OWN] = {"BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"};
    sqlite_thread *t = calloc(1, sizeof *t);
    pthread_condattr_t monotonic;
    pthread_attr_t detached;
    pthread_t id;
    sigset_t all, before;
    if (t == NULL)
        return NULL;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    t->owners = 1;
    t->max_result_bytes = max_result_bytes;
    t->slot_count = cached + SLOTS_OWN;
    t->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    t->path = sqlite_copy(path, strlen(path));
    t->setup = sqlite_copy(setup, strlen(setup));
    t->slots = calloc(t->slot_count, sizeof *t->slots);
    if (t->eventfd < 0 || t->path == NULL || t->setup == NULL || t->slots == NULL)
        goto failed;
    for (int i = 0; i < SLOTS_OWN; i++) {
        t->slots[i].text_size = (uint32_t)strlen(own[i]);
        t->slots[i].text = sqlite_copy(own[i], t->slots[i].text_size);
        if (t->slots[i].text == NULL)
            goto failed;
    }
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals are for Python's threads */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    t->owners = 2;
    int error = pthread_create(&id, &detached, sqlite_thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (error) {
        t->owners = 1;
        goto failed;
    }
    return t;
failed:
    sqlite_thread_release(t);
    return NULL;
}

/* Hands a job over. Unless `start`, the thread may sleep on until another comes. */
static inline void sqlite_thread_put(sqlite_thread *t, sqlite_job *job, int start) {
    pthread_mutex_lock(&t->mutex);
    job->next = NULL;
    if (t->last != NULL)
        t->last->next = job;
    else
        t->first = job;
    t->last = job;
    t->waiting++;
    t->waiting_bytes += sqlite_job_size(job);
    if (start && t->is_sleeping)
        pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->mutex);
}

/* What is done, in order; the caller's. */
static inline sqlite_job *sqlite_thread_take(sqlite_thread *t) {
    uint64_t ignored;
    pthread_mutex_lock(&t->mutex);
    sqlite_job *done = t->first_done;
    t->first_done = t->last_done = NULL;
    t->done_bytes = 0;
    if (t->is_signalled) {
        t->is_signalled = 0;
        eventfd_read(t->eventfd, &ignored);
    }
    pthread_mutex_unlock(&t->mutex);
    return done;
}

static inline void sqlite_thread_waiting(sqlite_thread *t, uint32_t *jobs, size_t *bytes) {
    pthread_mutex_lock(&t->mutex);
    *jobs = t->waiting;
    *bytes = t->waiting_bytes;
    pthread_mutex_unlock(&t->mutex);
}

/* Interrupts the thread and waits for its end. 0: it had not come after `timeout_ms`; the thread ends when it can. */
static inline int sqlite_thread_end(sqlite_thread *t, int64_t timeout_ms) {
    struct timespec now, until;
    int has_ended;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t end_ns = ((int64_t)now.tv_sec * 1000 + timeout_ms) * 1000000 + now.tv_nsec;
    pthread_mutex_lock(&t->mutex);
    t->is_closing = 1;
    pthread_cond_signal(&t->wake);
    for (;;) {
        has_ended = t->has_ended;
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t next_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
        if (t->db != NULL)
            xsqlite.interrupt(t->db); /* again and again: it may come just before a statement begins */
        if (has_ended || next_ns >= end_ns)
            break;
        next_ns = next_ns + 10000000 < end_ns ? next_ns + 10000000 : end_ns;
        until.tv_sec = next_ns / 1000000000;
        until.tv_nsec = next_ns % 1000000000;
        pthread_cond_timedwait(&t->ended, &t->mutex, &until);
    }
    pthread_mutex_unlock(&t->mutex);
    return has_ended;
}

#endif
