"""What the SDK raises. A refusal by the server is an ApiError; everything else here is about the way to it."""

from __future__ import annotations


class ClientError(Exception):
    """The base of everything that the SDK raises on purpose."""


class ApiError(ClientError):
    """The server refused a request.

    `status` is the HTTP status of the refusal (the same over WebSocket), `code` the number in its body (equal to the
    status), `reason` the stable word to branch on, `message` a sentence for people, `retry_after_ms` how long to wait
    when the server said so.
    """

    def __init__(self, status: int, code: int, reason: str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after_ms = retry_after_ms

    @property
    def is_retryable(self) -> bool:
        """The same request, sent again unchanged, may succeed later."""
        return self.status >= 500 or self.status in (408, 429)


class NetworkError(ClientError):
    """The request or its answer was lost, or no answer came in time: whether it was carried out is not known."""


class NotConnected(NetworkError):
    """There is no connection at the moment; the request was not sent."""


class ProtocolError(ClientError):
    """What the server sent does not fit the contract."""


class SendQueueFull(ClientError):
    """The queue of messages that wait to be sent is full; nothing was queued."""


class NotLoggedIn(ClientError):
    """A call that needs a token was made before `login` or `register`."""


class UnknownTalk(ClientError):
    """This device holds no such talk (yet)."""


class ClosedError(ClientError):
    """The client was closed, or the server ended the session for good."""
