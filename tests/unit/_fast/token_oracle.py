"""The bounded cache of verified tokens in plain Python, and SipHash by its paper's description."""

from __future__ import annotations

_MASK = 2**64 - 1


class PlainTokens:
    """A list in order of arrival, a mark for what was used since the hand came by, and the hand."""

    def __init__(self, max_entries: int, max_looks: int) -> None:
        self.max_entries = max_entries
        self.max_looks = max_looks
        self.entries: list[tuple[str, tuple[int, str, str, int]]] = []
        self.used: list[bool] = []
        self.hand = 0

    def _find(self, token: str) -> int | None:
        return next((number for number, (text, _) in enumerate(self.entries) if text == token), None)

    def get(self, token: str) -> tuple[int, str, str, int] | None:
        number = self._find(token)
        if number is None:
            return None
        self.used[number] = True
        return self.entries[number][1]

    def put(self, token: str, *value: object) -> None:
        entry = (token, tuple(value))
        number = self._find(token)
        if number is not None:
            self.entries[number] = entry  # type: ignore[call-overload]
        elif len(self.entries) < self.max_entries:
            self.entries.append(entry)  # type: ignore[arg-type]
            self.used.append(False)
        else:
            looks = 0
            while self.used[self.hand] and looks < self.max_looks:
                self.used[self.hand] = False
                self._turn()
                looks += 1
            self.entries[self.hand], self.used[self.hand] = entry, False  # type: ignore[assignment]
            self._turn()

    def _turn(self) -> None:
        self.hand = (self.hand + 1) % len(self.entries)

    def discard(self, token: str) -> bool:
        number = self._find(token)
        if number is None:
            return False
        last, last_used = self.entries.pop(), self.used.pop()
        if number < len(self.entries):
            self.entries[number], self.used[number] = last, last_used
        if self.hand >= len(self.entries):
            self.hand = 0
        return True


def siphash_128(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4, the form with 128 bits."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [
        k0 ^ int.from_bytes(b"somepseu"[::-1], "little"),
        k1 ^ int.from_bytes(b"dorandom"[::-1], "little") ^ 0xEE,
        k0 ^ int.from_bytes(b"lygenera"[::-1], "little"),
        k1 ^ int.from_bytes(b"tedbytes"[::-1], "little"),
    ]

    def turn(x: int, n: int) -> int:
        return (x << n | x >> (64 - n)) & _MASK

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & _MASK
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & _MASK
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & _MASK
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & _MASK
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    padded = data + bytes(-(len(data) + 1) % 8) + bytes((len(data) & 0xFF,))
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return first.to_bytes(8, "little") + (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
