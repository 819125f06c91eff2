"""Rules of reactions: what is an emoji, how they are counted, and who may have how many. Pure.

A message shows which there are and how many of each; who reacted is asked for. Whether one is the reader's own is his
alone: records in pushes say of none that it is, and name the reactor instead, so that one push serves everybody.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Final, NamedTuple

from xinyu.base.errors import INVALID, TOO_MANY_REACTIONS, XinYuError
from xinyu_services.message.model import compact_json

MAX_EMOJI_BYTES: Final = 32
# Different ones a message, and those of one user.
MAX_DIFFERENT: Final = 20
MAX_OF_A_USER: Final = 3
_JOINER: Final = "\u200d"
# Pages show some of these five as HTML; none is an emoji.
_NEVER: Final = frozenset("&<>\"'")


class Count(NamedTuple):
    emoji: str
    users: int


def check_emoji(emoji: str) -> str:
    """One sign, or a few: nothing that is blank, cannot be seen by itself, or means something to a page. INVALID."""
    is_shown = any(unicodedata.category(each)[0] in "LNPS" for each in emoji)
    if (
        not is_shown
        or len(emoji.encode("utf-8", "replace")) > MAX_EMOJI_BYTES
        or any(each in _NEVER or not _is_part(each) for each in emoji)
    ):
        raise XinYuError(INVALID, "emoji is not one.")
    return emoji


def _is_part(character: str) -> bool:
    category = unicodedata.category(character)
    # Joiners and tags (flags of regions are made of these) are the only formats; marks choose colour and shape.
    is_tag = "\U000e0020" <= character <= "\U000e007f"
    return category[0] in "LMNPS" or character == _JOINER or is_tag


def counts_of(stored: str) -> list[Count]:
    """What lies beside a message, in the order in which they came."""
    return [Count(*each) for each in json.loads(stored)] if stored else []


def stored_counts(counts: list[Count]) -> str:
    return compact_json(counts) if counts else ""


def added(counts: list[Count], own: set[str], emoji: str) -> list[Count]:
    """With one more, by somebody whose others are `own`. TOO_MANY_REACTIONS."""
    if len(own) >= MAX_OF_A_USER:
        raise XinYuError(TOO_MANY_REACTIONS, f"At most {MAX_OF_A_USER} reactions of one person.")
    if all(each.emoji != emoji for each in counts):
        if len(counts) >= MAX_DIFFERENT:
            raise XinYuError(TOO_MANY_REACTIONS)
        return [*counts, Count(emoji, 1)]
    return [Count(each.emoji, each.users + (each.emoji == emoji)) for each in counts]


def removed(counts: list[Count], emoji: str) -> list[Count]:
    """With one less; the last one takes the emoji with it."""
    fewer = [Count(each.emoji, each.users - (each.emoji == emoji)) for each in counts]
    return [each for each in fewer if each.users > 0]
