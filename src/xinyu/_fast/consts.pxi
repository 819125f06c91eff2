# Every tunable of the engine: its default, its unit, and where the number comes from. The numbers are written out, because
# Cython 3.3 cannot compute an enum's value under overflowcheck, which the debug build has on.

cdef enum:
    # -- bounds ----------------------------------------------------------------------------------------------------
    DEFAULT_MAX_CONNECTIONS = 1_048_576  # connections; four times what one process has been asked for so far
    DEFAULT_MAX_HEAD = 8192  # bytes of a request head; what nginx's and Apache's default limits come to
    DEFAULT_MAX_MESSAGE = 1_048_576  # bytes; a text record with its quote stays far below
    DEFAULT_MAX_MESSAGE_ECHO = 16_777_216  # bytes; the largest message of the Autobahn cases
    DEFAULT_MAX_FRAGMENTS = 65536  # frames a message; Autobahn sends 4 MiB in fragments of 64 bytes
    DEFAULT_CREDIT = 64  # messages in flight a connection
    DEFAULT_BACKLOG = 262_144  # bytes that may wait for one peer: some 500 pushes
    DEFAULT_BACKLOG_FRAMES = 1024  # frames that may wait: a node is 40 bytes, so no more than the small pushes themselves
    DEFAULT_EPHEMERAL_BACKLOG = 65_536  # bytes; a quarter: typing goes first, messages later
    DEFAULT_MAX_TALKS = 1024  # talks that one connection may join
    MAX_BROADCASTS = 16  # broadcasts that may wait
    MAX_ROUNDS = 1000000  # of one broadcast

    # -- deadlines ---------------------------------------------------------------------------------------------------
    DEFAULT_HANDSHAKE_S = 10  # contract: "Unauthenticated sockets are closed within 10 s; slow HTTP headers too"
    DEFAULT_UPGRADE_S = 10
    DEFAULT_LOGIN_S = 10
    DEFAULT_CLOSE_S = 5  # a round trip and a slow peer; RFC 6455 section 7.1.1 leaves it open
    DEFAULT_SLOW_CONSUMER_S = 30
    DEFAULT_HEARTBEAT_S = 30  # below the 60 s after which nginx drops a silent upstream
    DEFAULT_READ_TIMEOUT_S = 120  # ws-events: three missed pings of the reference client; never below 90
    DEFAULT_TICK_MS = 100
    ACCEPT_RETRY_MS = 200  # pause of accepting after EMFILE and its like

    # -- slices --------------------------------------------------------------------------------------------------------
    DEFAULT_SLICE_MS = 5  # of one poll(); a loop turn that nobody notices
    DEFAULT_MAX_EVENTS = 256  # taken from epoll at once
    ACCEPT_BATCH = 64  # sockets accepted for one event
    EARLY_SKIPS = 3  # sockets that are not read at once after one that had nothing to read yet
    CLOCK_EVERY = 16  # steps (events, messages, frames to different connections) between two looks at the clock
    CALLBACK_STEPS = 7  # a call of Python counts for so many more
    ASK_AGAIN_NS = 200_000  # what comes so early in a slice is taken by the same poll()

    # -- buffers -------------------------------------------------------------------------------------------------------
    RECEIVE_BYTES = 262_144  # one for the process: a recv() of that fits the second-level cache
    ANSWER_BYTES = 2048  # an HTTP answer that opens a connection, with the first frame; a longer one is allocated
    CORK_BYTES = 65_536  # answers to one recv() are gathered and sent together
    CORK_SMALL = 4096  # a longer frame is sent by itself: copying would cost more than a system call
    HOLD_BYTES = 65_536  # gathered for one connection between hold() and flush()
    FLUSH_VECTORS = 64  # frames for one sendmsg()
    FLUSH_BYTES = 1_048_576  # written to one peer in a row
    BURST_BYTES = 65_536  # of a broadcast's rounds written to one peer at once
    GO_PAYLOAD = 128  # bytes of each frame that echo mode's "go R" sends

    STATE_FORMAT = 1  # version of export()'s bytes
    STATE_MAX_BACKLOG = 67_108_864  # bytes of backlog that adopt() takes
