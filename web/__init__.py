"""The chat page: plain ES modules that the HTTP gateway serves as they are, at `/`."""
