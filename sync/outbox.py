"""What is to be told to which channel, and what became of it.

A message is noted before it leaves and again after its end. Killed in between, nobody knows whether it arrived, and it
is sent again, under the same id and with the words that it may have come before: at least once, because an alert that
is lost does more harm than one that is read twice. After a day of trying it is given up, and `status` says so.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sync.notices import Notice, NoticeKind, notice_of
from sync.store import Store
from sync.tables import epoch, instant

GIVE_UP = timedelta(days=1)
"""A message that could not be sent for so long after the first try is given up."""

End = Literal["sent", "failed"]

_OPEN = "('waiting', 'sending', 'failed')"


def message_id(named: str) -> str:
    """The id of the message that tells what is named: always the same."""
    return hashlib.sha256(named.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Letter:
    """Notices of one kind that go to one channel in one message.

    Attributes:
        channel: Name of the channel in the config.
        kind: What they tell.
        notices: Oldest first.
        message: The message's id: the same however often it is sent; empty before the first time.
        again: An earlier try ended unclear, so that it may have arrived.
    """

    channel: str
    kind: NoticeKind
    notices: tuple[Notice, ...]
    message: str = ""
    again: bool = False

    @property
    def id(self) -> str:
        """The message's id, made of what it tells."""
        if self.message:
            return self.message
        named = json.dumps([self.channel, self.kind, [[one.notice_id, epoch(one.at)] for one in self.notices]])
        return message_id(named)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A channel that could not be told everything.

    Attributes:
        state: "failed": tried again by the next run. "given_up": after a day of trying.
        notices: How many.
        error: What the last try met.
        since: When it was first tried.
    """

    channel: str
    state: str
    notices: int
    error: str
    since: datetime


def letters(store: Store, channel: str) -> list[Letter]:
    """What a channel is still to be told; what was tried before first, and as the message that it was then."""
    rows = store.rows(
        f"""SELECT d.message, d.state, d.attempts, n.kind, n.subject, n.at, n.run_id, n.facts, n.notice_id
            FROM delivery d JOIN notice n ON n.notice_id = d.notice_id
            WHERE d.channel = ? AND d.state IN {_OPEN} ORDER BY d.message = '', n.notice_id""",
        (channel,),
    )
    grouped: dict[tuple[str, NoticeKind], list[Notice]] = {}
    unclear = set()
    for message, state, _, *row in rows:
        one = notice_of(row)
        grouped.setdefault((message, one.kind), []).append(one)
        if state == "sending":
            unclear.add(message)
    return [
        Letter(channel, kind, tuple(found), message, again=bool(message) and message in unclear)
        for (message, kind), found in grouped.items()
    ]


def note_sending(store: Store, sending: Iterable[Letter], now: datetime) -> None:
    """Commit that these leave now, before the first byte does."""
    at = epoch(now)
    with store.transaction() as conn:
        conn.executemany(
            """UPDATE delivery SET state = 'sending', message = ?, attempts = attempts + 1,
                 first_try = coalesce(first_try, ?), at = ? WHERE channel = ? AND notice_id = ?""",
            [(one.id, at, at, one.channel, notice.notice_id) for one in sending for notice in one.notices],
        )


def note_end(store: Store, letter: Letter, end: End, now: datetime, error: str = "") -> None:
    """Commit what became of a message. One whose end is unknown is not noted: it stays as leaving."""
    with store.transaction() as conn:
        conn.executemany(
            "UPDATE delivery SET state = ?, at = ?, error = ? WHERE channel = ? AND notice_id = ?",
            [(end, epoch(now), error, letter.channel, notice.notice_id) for notice in letter.notices],
        )


def note_unclear(store: Store, letter: Letter, error: str) -> None:
    """Keep why the end of a message is unknown; it stays as leaving, and is sent again."""
    with store.transaction() as conn:
        conn.executemany(
            "UPDATE delivery SET error = ? WHERE channel = ? AND notice_id = ?",
            [(error, letter.channel, notice.notice_id) for notice in letter.notices],
        )


def give_up(store: Store, now: datetime) -> int:
    """Give up what was tried for a day; how many notices that were."""
    with store.transaction() as conn:
        done = conn.execute(
            "UPDATE delivery SET state = 'given_up', at = ? WHERE state IN ('sending', 'failed') AND first_try <= ?",
            (epoch(now), epoch(now - GIVE_UP)),
        )
        return done.rowcount


def drop_channels(store: Store, channels: Sequence[str]) -> None:
    """Forget what waits for channels that the config does not have any more."""
    with store.transaction() as conn:
        conn.execute(
            f"DELETE FROM delivery WHERE state IN {_OPEN} AND channel NOT IN (SELECT value FROM json_each(?))",
            (json.dumps(list(channels)),),
        )


def troubles(store: Store, since: datetime) -> list[Trouble]:
    """Channels that wait for another try, and what was given up since an instant."""
    rows = store.rows(
        """SELECT channel, CASE state WHEN 'given_up' THEN state ELSE 'failed' END AS how, count(*), max(error),
             min(first_try)
           FROM delivery WHERE state IN ('failed', 'given_up') OR (state = 'sending' AND error <> '')
           GROUP BY channel, how HAVING how = 'failed' OR max(at) >= ? ORDER BY channel, how""",
        (epoch(since),),
    )
    return [Trouble(channel, how, number, error, instant(first)) for channel, how, number, error, first in rows]


def counts(store: Store) -> dict[tuple[str, str], int]:
    """(channel, state) -> notices."""
    rows = store.rows("SELECT channel, state, count(*) FROM delivery GROUP BY channel, state")
    return {(channel, state): number for channel, state, number in rows}
