"""Where SQLite and MySQL differ in the hot statements that we write by hand. Nothing else may know.

A literal % is always a parameter, so that the same text serves `?` and `%s`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# Texts that are remembered: the hot statements in all their sizes (a batch has up to 200 rows).
MAX_KNOWN_TEXTS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine spells what both can do."""

    name: str
    placeholder: str
    for_update: str
    # The same, but rows that somebody else has locked are left out.
    skip_locked: str
    # The database's own clock as an expression: Unix time in milliseconds.
    now_ms: str

    def sql(self, text: str) -> str:
        """`text` with `?` as this engine's placeholder."""
        return text if self.placeholder == "?" else text.replace("?", self.placeholder)

    def marks(self, count: int) -> str:
        """`?,?,?` for an IN list or a row of values."""
        return ",".join([self.placeholder] * count)

    @lru_cache(MAX_KNOWN_TEXTS)  # noqa: B019
    def rows(self, columns: int, count: int) -> str:
        """`(?,?),(?,?)`: `count` rows of `columns` values, for one INSERT. A blank leads (aiomysql's executemany)."""
        row = f"({self.marks(columns)})"
        return " " + ",".join([row] * count)

    @lru_cache(MAX_KNOWN_TEXTS)  # noqa: B019 - there are two dialects, and they live as long as the process
    def upsert(
        self, table: str, columns: tuple[str, ...], key: tuple[str, ...], update: tuple[str, ...], count: int
    ) -> str:
        """INSERT of `count` rows that overwrites `update` where `key` is there already. Every NOT NULL column without
        a default must be among `columns`: both engines check them even for rows that exist. Names are quoted, since
        `change` is a word of MySQL's; SQLite takes its quotes, too."""
        listed = ",".join(f"`{column}`" for column in columns)
        head = f"INSERT INTO {table} ({listed}) VALUES{self.rows(len(columns), count)}"
        if self.name == "sqlite":
            assignments = ",".join(f"`{c}`=excluded.`{c}`" for c in update)
            return f"{head} ON CONFLICT ({','.join(key)}) DO UPDATE SET {assignments}"
        return f"{head} ON DUPLICATE KEY UPDATE " + ",".join(f"`{c}`=VALUES(`{c}`)" for c in update)

    @lru_cache(MAX_KNOWN_TEXTS)  # noqa: B019
    def among(self, table: str, columns: tuple[str, ...], count: int) -> str:
        """What follows FROM to find the rows of `table` (aliased by its last word) with one of `count` tuples of
        `columns`, by the index that these lead. The tuples are the statement's next parameters.

        Written as a list that is joined in this order, because `(a, b) IN (...)` makes SQLite scan the whole table, and
        costs MariaDB 12 ms for 200 tuples, where the list takes 1."""
        alias = table.rsplit(maxsplit=1)[-1]
        on = " AND ".join(f"{alias}.{column} = v.column{n}" for n, column in enumerate(columns, 1))
        if self.name == "sqlite":
            listed = ",".join([f"({self.marks(len(columns))})"] * count)
            return f"(VALUES {listed}) AS v CROSS JOIN {table} ON {on}"
        first = ",".join(f"{self.placeholder} AS column{n}" for n in range(1, len(columns) + 1))
        listed = f"SELECT {first}" + f" UNION ALL SELECT {self.marks(len(columns))}" * (count - 1)
        return f"({listed}) AS v STRAIGHT_JOIN {table} ON {on}"


SQLITE: Final = Dialect("sqlite", "?", "", "", "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)")
MYSQL: Final = Dialect(
    "mysql", "%s", " FOR UPDATE", " FOR UPDATE SKIP LOCKED", "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
)
