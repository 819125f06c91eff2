"""XinYu's platform: sockets, frames, RPC and storage engines. It knows no chat rule; those are in xinyu_services."""

__version__ = "0.1.0"
