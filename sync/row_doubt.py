"""When rows that still arrive are not believed: a property renamed, a permission withdrawn, numbers turned to zero.

Counted while a stream is read, and kept between pulls in the state file's `meta`, so that an hour with three rows adds
up with the hours before it. Three things are counted: which keys the rows have, which values disappear from records
that had them, and how many new records say what they nearly always said.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from math import log10
from typing import TYPE_CHECKING, Any

from sync.doubt import DoubtError
from sync.tables import Kind

if TYPE_CHECKING:
    from sync.store import Store

__all__ = ["RowDoubt", "Tally"]

CERTAIN = 6
"""A key that n rows in a row always had and k rows in a row now lack is missed when k log10(n) reaches this: by chance
less than once in a million."""
EMPTIED, EMPTIED_SHARE = 10, 0.5
"""So many values may disappear and this share of those that were there."""
EMPTIED_ALL = 5
"""And not so many in one page when there they are all."""
WINDOW = 20
"""Records that had a value and were looked at again; then the counting starts anew."""
BLANK, BLANK_SHARE = 20, 0.9
"""So many new records in a row may say nothing of what this share of them always said."""

KEPT = {
    "account": "domains external_ids plan mrr customer_since renewal_date",
    "contact": "email external_ids account last_login_at",
    "ticket": "account contact created_at first_reply_minutes",
    "survey_response": "score responded_at account contact",
    "deal": "account amount close_date",
    "invoice": "account due_date",
    "subscription": "account mrr",
}
"""Kind -> columns that scores and links are made of and that seldom become empty or zero by themselves."""

SAID = {
    "ticket": {"who it is from": "account contact"},
    "survey_response": {"who answered": "account contact email ticket", "a score": "score satisfied"},
    "deal": {"its account": "account"},
    "invoice": {"its account": "account"},
    "subscription": {"its account": "account"},
}
"""Kind -> what new records say, and the columns of which one says it."""


class Tally:
    """What one page says of records: values that disappeared, and what new records leave open."""

    def __init__(self, kind: Kind) -> None:
        places = {column.name: place for place, column in enumerate(kind.columns, 2)}
        self._kept = [(name, places[name]) for name in KEPT.get(kind.name, "").split()]
        self._said = [
            (what, [places[name] for name in names.split()]) for what, names in SAID.get(kind.name, {}).items()
        ]
        self.had = dict.fromkeys((name for name, _ in self._kept), 0)
        self.emptied = dict(self.had)
        self.new = 0
        self.filled = dict.fromkeys((what for what, _ in self._said), 0)

    def again(self, content: Sequence[Any], old: Sequence[Any]) -> None:
        """A record that we hold came again."""
        for name, place in self._kept:
            if old[place]:
                self.had[name] += 1
                if not content[place]:
                    self.emptied[name] += 1

    def first(self, content: Sequence[Any]) -> None:
        """A record that we did not hold came."""
        self.new += 1
        for what, places in self._said:
            if any(content[place] for place in places):
                self.filled[what] += 1


class RowDoubt:
    """What the rows of one stream were like so far, and whether a page of them is believed.

    Args:
        where: Source and stream, as in `guard.trusted`.
        text: What `dump` gave at the last pull; empty at the first.
        trusted: Count, and believe whatever comes.
    """

    def __init__(self, where: str, text: str = "", *, trusted: bool = False) -> None:
        self.where, self.trusted, self._saved = where, trusted, text
        known: dict[str, dict[str, list[int]]] = json.loads(text) if text else {}
        self.known = bool(known)
        self._keys = known.get("keys", {})
        """Key -> rows in a row that had it, and rows in a row since then that lack it."""
        self._values = known.get("values", {})
        """Column -> records that had a value, and how many of these lost it."""
        self._said = known.get("said", {})
        """What new records say -> how many came, how many said it, and how many in a row did not."""

    @classmethod
    def load(cls, store: "Store", where: str, *, trusted: bool = False) -> "RowDoubt":
        """What earlier pulls of a stream left in the state file."""
        rows = store.rows("SELECT value FROM meta WHERE key = ?", (f"rows:{where}",))
        return cls(where, rows[0][0] if rows else "", trusted=trusted)

    def save(self, conn: sqlite3.Connection) -> None:
        """Keep it for the next pull, inside a transaction."""
        if (text := self.dump()) != self._saved:
            conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"rows:{self.where}", text))
            self._saved = text

    def dump(self) -> str:
        """As text, for the next pull."""
        return json.dumps({"keys": self._keys, "values": self._values, "said": self._said}, sort_keys=True)

    # -- keys -----------------------------------------------------------------------------------------------------

    def keys(self, rows: Sequence[Any], names: Collection[str], base: str = "") -> None:
        """Look at the keys of a page.

        Args:
            rows: As the vendor sent them.
            names: Keys that the field map reads; "base.key" for those below `base`.
            base: A key under which most of the fields lie; empty when there is none.

        Raises:
            DoubtError: A key is missing that was always there.
        """
        rows = [row for row in rows if isinstance(row, dict)]
        if not rows:
            return
        wanted, prefix = frozenset(names), f"{base}."
        lacking = dict.fromkeys(wanted, 0)
        above = frozenset(name for name in wanted if not base or not name.startswith(prefix))
        below = frozenset(name.removeprefix(prefix) for name in wanted - above)
        for row in rows:
            for name in above - row.keys():
                lacking[name] += 1
            if below:
                inner = row.get(base)
                for name in below - inner.keys() if isinstance(inner, dict) else below:
                    lacking[prefix + name] += 1
        fresh = dict(self._keys)
        for name, missing in lacking.items():
            had, run = fresh.get(name, (0, 0))
            if missing == len(rows):
                run += missing
                if had and run * log10(had + 2) >= CERTAIN:
                    self._refuse(f"The rows no longer have {name!r}, which each of {had:,} had before.")
                    had = run = 0
            elif missing or run:  # it comes and goes: counted anew
                had, run = 0 if missing else len(rows), 0
            else:
                had += len(rows)
            fresh[name] = [had, run]
        self._keys = {name: counts for name, counts in fresh.items() if name in wanted and counts[0]}

    # -- values ---------------------------------------------------------------------------------------------------

    def values(self, tally: Tally) -> None:
        """Look at what a page does to the records that we hold.

        Raises:
            DoubtError: Too many values disappear, or new records do not say what they always said.
        """
        values, said = deepcopy(self._values), deepcopy(self._said)
        for name, again in tally.had.items():
            had, lost = values.get(name, (0, 0))
            now = tally.emptied[name]
            had, lost = had + again, lost + now
            many = lost >= EMPTIED and lost > EMPTIED_SHARE * had
            if now and (many or now == again >= EMPTIED_ALL):
                self._refuse(f"{name} is empty or zero in {lost:,} of {had:,} records that had a value.")
                values[name] = [0, 0]
            else:
                values[name] = [0, 0] if had >= WINDOW else [had, lost]
        for what, filled in tally.filled.items():
            said[what] = self._looked(
                what, "records", said.get(what, [0, 0, 0]), (tally.new, filled), BLANK, BLANK_SHARE
            )
        self._values, self._said = values, said

    def events(self, found: Mapping[str, tuple[int, int]], *, least: int, share: float) -> None:
        """Look at what an export's events say.

        Args:
            found: What they may say -> how many events there are, and how many say it.
            least: So many in a row may leave it open.
            share: What is said by fewer than this says nothing when it is missing.

        Raises:
            DoubtError: The last events leave open what they used to say.
        """
        said = deepcopy(self._said)
        for what, counts in found.items():
            said[what] = self._looked(what, "events", said.get(what, [0, 0, 0]), counts, least, share)
        self._said = said

    def _looked(
        self, what: str, things: str, before: Sequence[int], page: tuple[int, int], least: int, share: float
    ) -> list[int]:
        (came, filled, run), (new, new_filled) = before, page
        run = 0 if new_filled else run + new
        if self.known and new and run >= least and came >= 2 * least and filled >= share * came:
            self._refuse(f"The last {run:,} new {things} do not say {what}, as {filled:,} of {came:,} did before.")
            return [0, 0, 0]
        if run:  # not yet part of what is usual
            return [came, filled, run]
        return [came + new, filled + new_filled, run]

    def _refuse(self, what: str) -> None:
        if self.trusted:
            return
        raise DoubtError(
            f"{what} Not believed, what we hold stays.",
            advice="Look whether a field was renamed, emptied or closed to us. If it is meant, change the field map, "
            f'or add "{self.where}" to guard.trusted.',
        )
