"""Emoticons: pictures of a user's own collection. What one is made of is a picture that the media room knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """An uploaded picture. `url` as it was given out, absolute; `width` and `height` in pixels, as it is shown."""

    media_id: str
    url: str
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Emoticon:
    """A picture in the collection of `user_id`, in which it is there once."""

    emoticon_id: int
    user_id: int
    picture: Picture


def fits_beside(count: int, limit: int) -> bool:
    """Whether a collection of `count` has room for one more."""
    return count < limit
