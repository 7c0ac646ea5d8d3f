"""When a channel's summary is due, and what it counts."""

from collections import Counter
from datetime import datetime, timedelta, tzinfo

from notify.settings import DAYS, Channel
from sync import overview
from sync.notices import Notice, keep, last_told, note_told, recent
from sync.store import Store
from sync.tables import epoch

DIGEST = "digest"


def last_due(channel: Channel, now: datetime, zone: tzinfo) -> datetime:
    """The newest instant at or before now at which the channel's summary was due."""
    local = now.astimezone(zone)
    day = local.date()
    while True:
        due = datetime.combine(day, channel.digest_at, zone)
        if due <= local and (channel.digest != "weekly" or DAYS[day.weekday()] == channel.digest_day):
            return due
        day -= timedelta(days=1)


def make_digest(store: Store, name: str, channel: Channel, now: datetime, zone: tzinfo) -> Notice | None:
    """Keep a channel's summary when it is due; one that was missed is made once, not as often as it was missed.

    The first one comes at the next time that is due after the channel was set up.
    """
    if channel.digest == "off":
        return None
    told = last_told(store, DIGEST, name)
    if told is not None and told[1] >= last_due(channel, now, zone):
        return None
    with store.transaction() as conn:
        note_told(conn, DIGEST, name, channel.digest, now)
        if told is None:
            return None
        facts = {"every": channel.digest, **counted(store, told[1])}
        return keep(store, Notice("digest", name, now, 0, facts), {name: lambda _: True})


def counted(store: Store, since: datetime) -> dict[str, object]:
    """What a summary tells of the time since an instant."""
    noticed = recent(store, since)
    runs = Counter(
        dict(
            store.rows(
                "SELECT status, count(*) FROM run WHERE started >= ? AND mode <> 'dry' GROUP BY 1", (epoch(since),)
            )
        )
    )
    stale = store.rows("SELECT subject FROM told WHERE kind = 'source' AND state = 'stale' ORDER BY subject")
    held = last_told(store, "plan", "")
    return {
        "since": since.isoformat(),
        "bands": overview.band_counts(store),
        "red": [one.subject for one in noticed if one.kind == "account_red"],
        "recovered": [one.subject for one in noticed if one.kind == "account_recovered"],
        "runs": dict(runs),
        "stale": [name for (name,) in stale],
        "held": held is not None and held[0] == "held",
    }
