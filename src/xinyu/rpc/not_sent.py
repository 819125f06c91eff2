"""UNAVAILABLE of a call that nobody has begun: whoever knows another instance may ask that one, whatever the call does.

To a caller it is UNAVAILABLE like any other. An UNAVAILABLE that a servicer answers is not this: that one had begun.
"""

from __future__ import annotations

from xinyu.base.errors import UNAVAILABLE, XinYuError


class NotSent(XinYuError):
    def __init__(self, message: str = "") -> None:
        super().__init__(UNAVAILABLE, message)
