"""Wall one of the guard: does a source that answers still tell the truth?

An outage rarely looks like one. The vendor answers 200 with an empty list, with one page of many, with yesterday's
copy. Taken at its word, that is a customer base that stopped working over night. So each run asks of every stream: when
did it last say anything new, and is it usual that it says nothing for so long at this time of the week?
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Literal

from scoring.features import catalogue
from scoring.inputs import Level, ScoreRow
from scoring.playbooks import BandState
from scoring.verdict import MAX_REASON
from sync.pulse import Pulse, read_pulse, short_since
from sync.store import Store
from sync.tables import epoch, instant

if TYPE_CHECKING:
    from scoring.card import Scorecard
    from scoring.cards import AnyCards

UNAVAILABLE = timedelta(hours=72)
"""From this age on what a silent source last said counts for nothing in the coverage. The band stays."""
PATIENCE = timedelta(hours=24)
"""A silence shorter than this is never worth an alarm."""
LONG = timedelta(days=5)
"""A silence longer than this is worth one also of a source that never said much: longer than Easter."""
REST = timedelta(days=14)
"""So long the clock of a source rests that is often silent; then its silence is believed."""
NEXT_TO_NOTHING = 0.10
"""Share of a usual day below which a day of usage is not believed; the quietest holiday has more."""
PARTLY = 0.50
"""Share of the people of a usual day below which a day is not believed: a part of the accounts is missing. A bank
holiday of some of the customers looks the same, so that nobody is alarmed before `HOLIDAYS`."""
HOLIDAYS = 10
"""Days; longer than Christmas to New Year."""
ENOUGH = {"usage": 200}
"""Kind of record -> how many are usual in the time of a silence that is worth an alarm; `FEW` of the others."""
FEW = 50
LEAST = 10
"""And so many in each of the last weeks, at least."""
MIN_WEEKS = 3
"""With fewer weeks of history there is no alarm."""

COUNTING = frozenset({"invoice"})
"""Kinds of record that come by the month, not by the week, and whose days count on when nothing happens: an unpaid bill
is a day older every day. A pause that may well be chance does not stop their clock while everything else of the source
is read and believed; an alarm does, as ever."""

BreachKind = Literal["error", "off", "silent", "few"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A stream that is not believed at the moment: what it said up to `last_good` counts, and nothing later.

    Attributes:
        source: Name of the source in the config.
        stream: The vendor's word for the kind of row.
        record: Kind of common record that it becomes.
        kind: "error": it cannot be read. "off": what it once delivered is closed to us. "silent": it answers, with
            nothing new for unusually long. "few": it delivers far less than usual.
        since: From when on it is not believed.
        last_good: Up to when it is believed.
        why: One sentence with the numbers.
        alarm: Worth telling. False while a pause is longer than the last weeks' but may well be chance: the clock of
            the stream rests all the same.
    """

    source: str
    stream: str
    record: str
    kind: BreachKind
    since: datetime
    last_good: datetime
    why: str
    alarm: bool = True


def watch(
    store: Store, as_of: datetime, *, sources: Collection[str] | None = None, trusted: Collection[str] = ()
) -> list[Breach]:
    """Every stream that is not believed at an instant, by source and stream.

    Args:
        store: The state, after the pull.
        as_of: The instant of the run.
        sources: Names of the configured sources, None for all that were ever pulled.
        trusted: Sources ("mixpanel") and streams ("mixpanel/events") that are believed whatever they say.
    """
    feeds = [
        feed
        for feed in _feeds(store, as_of)
        if (sources is None or feed.source in sources)
        and not {feed.source, f"{feed.source}/{feed.stream}"}.intersection(trusted)
    ]
    found = [breach for feed in feeds if (breach := _unread(store, feed, as_of)) is not None]
    # Several streams of a source that bring one kind of record speak together: of two systems one may be out of use.
    together: dict[tuple[str, str], _Feed] = {}
    for feed in feeds:
        known = together.get((feed.source, feed.record))
        if not feed.off and (known is None or (feed.total, feed.stream) > (known.total, known.stream)):
            together[feed.source, feed.record] = feed
    newest: dict[str, datetime] = {}
    for feed in together.values():
        pulse = read_pulse(store, feed.source_key, feed.record, feed.complete)
        if pulse.newest is not None:
            newest[feed.record] = max(newest.get(feed.record, feed.complete - REST), instant(pulse.newest))
        found += _quiet(pulse, feed)
    found = [resting for breach in found if (resting := _counted_on(breach, found, feeds)) is not None]
    return sorted(_side_by_side(found, newest), key=lambda breach: (breach.source, breach.stream, breach.kind))


def _counted_on(breach: Breach, breaches: Sequence[Breach], feeds: Sequence["_Feed"]) -> Breach | None:
    """What a pause means: nothing for a kind that counts on, at a source of which everything else is believed.

    A source that answers with nothing is betrayed by its other streams, whose listings must name what they named: then
    the days count up to the last listing that did.
    """
    if breach.record not in COUNTING or breach.kind != "silent" or breach.alarm:
        return breach
    good = [one.last_good for one in breaches if one.source == breach.source and one.kind != "silent"]
    good += [instant(one.doubted) for one in feeds if one.source == breach.source and one.doubted is not None]
    return replace(breach, last_good=max(breach.last_good, min(good))) if good else None


def _side_by_side(breaches: Sequence[Breach], newest: dict[str, datetime]) -> list[Breach]:
    """A source that is merely quiet does not stop the clock of what another one tells of.

    Args:
        breaches: Of all sources.
        newest: Kind of record -> the newest that any source told of.
    """
    quiet = [breach for breach in breaches if breach.kind == "silent" and not breach.alarm]
    for breach in quiet:
        newest[breach.record] = max(newest.get(breach.record, breach.last_good), breach.last_good)
    return [replace(breach, last_good=newest[breach.record]) if breach in quiet else breach for breach in breaches]


@dataclass(frozen=True, slots=True)
class _Feed:
    """One stream that was complete at least once."""

    source_key: int
    source: str
    key: int
    stream: str
    record: str
    total: int
    error: str
    off: str
    doubted: int | None
    complete: datetime


_FEEDS = """
SELECT source.id, source.name, s.id, s.name, s.record, s.total, s.error, s.off, s.doubted, max(p.started)
FROM stream s JOIN source ON source.id = s.source JOIN pull p ON p.stream = s.id
WHERE p.error = '' AND p.finished <= ? GROUP BY s.id
"""


def _feeds(store: Store, as_of: datetime) -> Iterator[_Feed]:
    for row in store.rows(_FEEDS, (epoch(as_of),)):
        source_key, source, key, stream, record, total, error, off, doubted, complete = row
        yield _Feed(source_key, source, key, stream, record, total, error, off, doubted, instant(complete))


def _unread(store: Store, feed: _Feed, as_of: datetime) -> Breach | None:
    """A stream that cannot be read, or not any more."""
    if not feed.error and not (feed.off and feed.total):
        return None
    failed = store.rows(
        "SELECT min(started) FROM pull WHERE stream = ? AND started > ? AND finished <= ?",
        (feed.key, epoch(feed.complete), epoch(as_of)),
    )[0][0]
    since = feed.complete if failed is None else instant(failed)
    kind: BreachKind = "error" if feed.error else "off"
    why = f"{feed.source} {feed.stream} cannot be read since {_time(since)}: {feed.error or feed.off}"
    return Breach(feed.source, feed.stream, feed.record, kind, since, feed.complete, why)


def _quiet(pulse: Pulse, feed: _Feed) -> Iterator[Breach]:
    """A stream that answers and says nothing, or next to nothing."""
    if pulse.newest is None:
        return
    known, name = epoch(feed.complete), f"{feed.source} {feed.stream}"
    silent, usual = known - pulse.newest, pulse.usual(pulse.newest, known)
    if silent > 0 and _rests(silent, usual):
        since = instant(pulse.newest)
        # The clock went on for as long as silence was usual, and stops there; it never goes back.
        good = instant(min(known, pulse.newest + pulse.usually_silent(pulse.newest)))
        said = ", ".join(f"{amount:,.0f}" for amount in usual)
        why = f"{name} tells of nothing new since {_time(since)}; in the same hours of the weeks before it were {said}."
        alarm = _alarming(silent, usual, feed.record)
        yield Breach(feed.source, feed.stream, feed.record, "silent", since, good, why, alarm)
        return
    if feed.record == "usage":
        yield from _short(pulse, feed, known)


def _rests(silent: int, usual: Sequence[float]) -> bool:
    """Whether the clock rests at the last news: something came in these hours in earlier weeks.

    For a fortnight one such week is enough; beyond it, it must have been every one.
    """
    if not usual:
        return False
    return max(usual) > 0 and (silent <= REST.total_seconds() or min(usual) > 0)


def _alarming(silent: int, usual: Sequence[float], record: str) -> bool:
    if len(usual) < MIN_WEEKS or silent < PATIENCE.total_seconds() or min(usual) < LEAST:
        return False
    return silent >= LONG.total_seconds() or median(usual) >= ENOUGH.get(record, FEW)


def _short(pulse: Pulse, feed: _Feed, known: int) -> Iterator[Breach]:
    """Days of next to nothing, or without half of the people, up to the last complete one."""
    name, found = f"{feed.source} {feed.stream}", []
    if nothing := short_since(pulse.amounts, known, share=NEXT_TO_NOTHING, least=ENOUGH["usage"]):
        said = f"tells of {nothing.amount:,} events on {instant(nothing.first):%Y-%m-%d}, where {nothing.usual:,.0f}"
        found.append((nothing, said, True))
    if part := short_since(pulse.people, known, share=PARTLY, least=FEW):
        said = f"misses accounts or people since {instant(part.first):%Y-%m-%d}: {part.amount:,} combinations of "
        said += f"person, account and event that day, where {part.usual:,.0f}"
        found.append((part, said, part.days >= HOLIDAYS))
    for short, said, alarm in found:
        good, why = instant(short.first), f"{name} {said} are usual on that weekday."
        if alarm or not any(one[2] for one in found):
            yield Breach(feed.source, feed.stream, feed.record, "few", good, good, why, alarm)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


# -- what a silence does to the feeds that scoring reads --------------------------------------------------------------

_HELD_FEED = """
SELECT f.record, f.source, min(f.as_of, coalesce(b.at, f.as_of)) AS as_of,
  CASE WHEN b.at IS NOT NULL AND f.as_of IS NOT NULL THEN 1 END AS held,
  f.since
FROM ({feed}) f LEFT JOIN ({good}) b ON b.record = f.record AND b.source = f.source
"""


def held_feed(feed: str, breaches: Sequence[Breach]) -> str:
    """A SELECT of (record, source, as_of, held, since) from one without `held`: what silent sources last said is fresh.

    Nothing later than their last good instant counts.
    """
    good: dict[tuple[str, str], int] = {}
    for breach in breaches:
        name = (breach.record, breach.source)
        good[name] = min(good.get(name, epoch(breach.last_good)), epoch(breach.last_good))
    rows = [
        f"SELECT {_literal(record)} AS record, {_literal(source)} AS source, {at} AS at"
        for (record, source), at in good.items()
    ]
    none = "SELECT '' AS record, '' AS source, NULL AS at WHERE 0"
    return _HELD_FEED.format(feed=feed, good=" UNION ALL ".join(rows) or none)


def closed_streams(breaches: Sequence[Breach]) -> str:
    """What lets streams through that are closed to us now, as SQL over source and stream `s`; may be empty."""
    names = [f"({_literal(b.source)}, {_literal(b.stream)})" for b in breaches if b.kind == "off"]
    return f"OR (source.name, s.name) IN (VALUES {', '.join(names)})" if names else ""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# -- what a silence does to scores --------------------------------------------------------------------------------


def hold_bands(
    rows: Sequence[ScoreRow],
    before: Mapping[str, BandState],
    breaches: Sequence[Breach],
    *,
    card: "AnyCards",
    as_of: datetime,
) -> list[ScoreRow]:
    """Make scores honest that were computed from what silent streams last said.

    The scores themselves already rest: `frames.inputs(..., breaches=...)` gives the engine the last good values, so
    that no band moves because of a silence. Here coverage falls with its age - it counts in full up to the card's
    `full_hours`, half up to `UNAVAILABLE`, then nothing -, the reason names the source, and an account never seen
    before stays unknown until the source is back.

    Args:
        rows: As the engine gave them.
        before: Which band each account was in, by CRM id (`Ledger.band_states`).
        breaches: As `watch` gave them.
        card: The scorecards.
        as_of: The instant of the run.
    """
    alarms = {breach.record: breach for breach in breaches if breach.alarm}
    if not alarms:
        return list(rows)
    trust = {kind: _trust(breach, card, as_of) for kind, breach in alarms.items()}
    known: dict[tuple[str, Level], dict[str, tuple[str, ...]]] = {}
    held = []
    for row in rows:
        kinds = known.get((row.card, row.level))
        if kinds is None:
            kinds = known[row.card, row.level] = _kinds(card.card_of(row), row.level)
        silent = {kind for part in row.signals if part.weight for kind in kinds[part.name] if kind in alarms}
        is_new = row.level == "account" and bool(before) and row.crm_id not in before
        held.append(_held(row, silent, trust, kinds, alarms, is_new=is_new) if silent else row)
    return held


def _trust(breach: Breach, card: "AnyCards", as_of: datetime) -> int:
    """Percent that the last good values of a stream still count in the coverage."""
    age = as_of - breach.last_good
    if age <= timedelta(hours=card.freshness.full_hours):
        return 100
    return 50 if age < UNAVAILABLE else 0


def _kinds(card: "Scorecard", level: Level) -> dict[str, tuple[str, ...]]:
    """Signal -> the kinds of record that it needs."""
    known = catalogue(level)
    return {name: known[signal.feature].kinds for name, signal in card.level(level).signals.items()}


def _held(
    row: ScoreRow,
    silent: Collection[str],
    trust: Mapping[str, int],
    kinds: Mapping[str, tuple[str, ...]],
    alarms: Mapping[str, Breach],
    *,
    is_new: bool,
) -> ScoreRow:
    weight = sum(part.weight for part in row.signals)
    lost = sum(
        part.weight * (100 - min((trust[kind] for kind in kinds[part.name] if kind in silent), default=100))
        for part in row.signals
        if part.points is not None
    )
    old = [alarms[kind] for kind in sorted(silent) if is_new or trust[kind] < 100]
    said = "; ".join(dict.fromkeys(f"{breach.source} silent since {breach.last_good:%Y-%m-%d}" for breach in old))
    coverage = max(0, row.coverage - -(-lost // weight))
    if is_new:
        return row._replace(score=None, health=None, band="unknown", coverage=coverage, reason=f"unknown: {said}")
    # The words about the source go last, and are never what is cut off.
    reason = f"{row.reason[: MAX_REASON - len(said) - 2]}; {said}" if said else row.reason
    return row._replace(coverage=coverage, reason=reason)
