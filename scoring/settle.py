"""From the band that a score gives today to the band that holds: hysteresis in time, overrides, known events, trend.

A score that wavers around an edge would change its band week after week, and each change is a task for somebody. So a
band is left only by a margin, and only when that lasts for some days (`[bands] margin`, `confirm_days`); what cannot
wait, a hard rule with `bypass`, changes it at once. A person's override stands above both, and the score beside it
stays what it is. Everything here is a pure function of score rows and what was remembered.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from scoring.events import KnownEvent, holding, releases
from scoring.features import catalogue
from scoring.inputs import FROZEN, Band, ScoreRow
from scoring.overrides import Override
from scoring.playbooks import KNOWN
from scoring.trend import WEEKS, trend
from scoring.verdict import MAX_REASON

if TYPE_CHECKING:
    from scoring.card import Bands, Scorecard

RANK: Mapping[Band, int] = {"red": 0, "yellow": 1, "green": 2}
SLACK = timedelta(hours=6)
"""So much earlier than to the hour a day later is a day later: runs are not on the second."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered of an account's band.

    Attributes:
        band: The band that holds, overrides left aside.
        since: When it was entered.
        candidate: The band that the score has asked for since `candidate_since`; None when it asks for no other.
        candidate_since: When it first did, without a break since.
        frozen: When the account was no longer scored, such as after churn; None while it is.
    """

    band: Band
    since: datetime
    candidate: Band | None = None
    candidate_since: datetime | None = None
    frozen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """No task is made for an account.

    Attributes:
        rule: "hold", "event" or "frozen".
        until: The last day; None when there is none.
        why: In words.
    """

    rule: str
    until: date | None
    why: str


@dataclass(frozen=True, slots=True)
class Said:
    """What people and the past say beside the scores.

    Attributes:
        overrides: By CRM id, valid ones.
        events: Known events of the config.
        past: Account key -> its scores 7, 6, ... 1 weeks ago; None where there was none.
        new_card: The cards have changed since the last run: what follows from that was decided by a person, and waits
            for no confirmation.
        moved: Keys of accounts that another card scored last: this one sees them for the first time.
        silent: Kind of record -> the source that should tell of it and is silent, and until when it did.
    """

    overrides: Mapping[str, Override] = field(default_factory=dict)
    events: Sequence[KnownEvent] = ()
    past: Mapping[int, Sequence[int | None]] = field(default_factory=dict)
    new_card: bool = False
    moved: Container[int] = frozenset()
    silent: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """What holds after a run.

    Attributes:
        rows: As given, with `band`, `held`, `trend` and reason settled; contacts as they were.
        standings: What to remember, by CRM id; accounts without a row keep what they had.
        paused: CRM id -> why no task is made for an account now.
    """

    rows: list[ScoreRow]
    standings: dict[str, Standing]
    paused: dict[str, Pause]


CardOf = Callable[[ScoreRow], "Scorecard"]


def settle(
    card_of: CardOf,
    rows: Iterable[ScoreRow],
    memory: Mapping[str, Standing],
    as_of: datetime,
    said: Said | None = None,
) -> Settled:
    """Settle the band of every account.

    An account that is seen for the first time, or again after it was frozen, takes the band of its score at once. One
    of which too little is known is unknown and keeps what is remembered of it.

    Args:
        card_of: The card that scored a row.
        rows: As the engine gave them: `computed` is the band by score and hard rules alone.
        memory: As the last run left it, by CRM id.
        as_of: The instant of the scores.
        said: Overrides, known events and past scores.
    """
    said, now = said or Said(), as_of.astimezone(UTC).replace(microsecond=0)
    result = Settled([], dict(memory), {})
    for row in rows:
        if row.level != "account":
            result.rows.append(row)
            continue
        result.rows.append(_settle(card_of(row), row, now, said, result))
    return result


def _settle(card: "Scorecard", row: ScoreRow, now: datetime, said: Said, result: Settled) -> ScoreRow:
    old = result.standings.get(row.crm_id)
    old = None if old is None or old.frozen else old
    override, event = said.overrides.get(row.crm_id), holding(said.events, row, now.date())
    pause = _pause(override, event)
    seen = None if old is not None and row.key in said.moved and row.computed != old.band else old
    new: Standing | None
    if pause and old:
        new, words = old, ""
    elif mute := _mute(card, row, old, said.silent):
        new, words = old, mute if old and row.computed not in (old.band, "unknown") else ""
    else:
        new, words = _advance(card, row, seen, now, at_once=said.new_card)
    if new is not None:
        result.standings[row.crm_id] = new
    band = row.computed
    if new is not None and (pause or row.computed in KNOWN):
        band = new.band
    if override is not None:
        band = override.settled(band)
    if pause is not None:
        result.paused[row.crm_id] = pause
    if pause is not None:
        # An event of the config is about nearly all accounts: where it holds neither band nor task, it is no news.
        words = pause.why if band != row.computed or band != "green" else ""
    words = override.words if override else words
    points = (*said.past.get(row.key, ()), row.score)
    slope = trend(points[-WEEKS:]) if row.score is not None else None
    reason = with_words(row.reason, *releases(said.events, card, row, now.date()), words)
    return row._replace(band=band, held=words, reason=reason, trend=slope)


def _mute(card: "Scorecard", row: ScoreRow, old: Standing | None, silent: Mapping[str, tuple[str, datetime]]) -> str:
    """Why a band rests: it would be confirmed, or given first, by nothing but what a silent source said before.

    What is asked for only since then is asked for by other sources, and goes on.
    """
    if not silent or (old is not None and bypasses(card, row, old.band)):
        return ""
    known, signals = catalogue(row.level), card.level(row.level).signals
    kinds = {kind for part in row.signals if part.weight for kind in known[signals[part.name].feature].kinds}
    asked_for = datetime.min.replace(tzinfo=UTC) if old is None else old.candidate_since
    mute = {silent[kind][0] for kind in kinds & silent.keys() if asked_for and asked_for <= silent[kind][1]}
    since = f"{_since(old)}; " if old else ""
    return f"{since}{row.computed} waits until {', '.join(sorted(mute))} is heard again" if mute else ""


def _pause(override: Override | None, event: KnownEvent | None) -> Pause | None:
    """What keeps band and tasks as they are: a person's "hold", else a known event; a person's band ends either."""
    if override is not None:
        return Pause("hold", override.until, override.words) if override.band == "hold" else None
    return Pause("event", event.until, event.words) if event is not None else None


def _advance(
    card: "Scorecard", row: ScoreRow, old: Standing | None, now: datetime, *, at_once: bool
) -> tuple[Standing | None, str]:
    """What to remember of an account, and in words what keeps its band from being the computed one."""
    if row.computed not in KNOWN:
        return old, ""
    if old is None or bypasses(card, row, old.band):
        return Standing(row.computed, now), ""
    if row.computed == old.band:
        return (old if old.candidate is None else Standing(old.band, old.since)), ""
    return _wait(card, row, old, now, at_once=at_once)


def _wait(
    card: "Scorecard", row: ScoreRow, old: Standing, now: datetime, *, at_once: bool = False
) -> tuple[Standing, str]:
    """The same of an account whose computed band is another than the one it has."""
    bands = card.bands
    candidate, since = asked(bands, old.band, row), now
    if candidate == old.band:
        return Standing(old.band, old.since), f"{_since(old)}; {_only(bands, old.band, row.computed)}"
    if old.candidate is not None and old.candidate_since is not None and _same_way(old, candidate):
        # What held all this time is the band nearer to the old one.
        candidate, since = min(old.candidate, candidate, key=lambda one: _steps(old.band, one)), old.candidate_since
    due = now if at_once else confirmed_from(since, bands.confirm_days)
    if now < due:
        words = f"{_since(old)}; {candidate} from {due.date()} on if {_if_it_stays(bands, old.band, candidate, row)}"
        return replace(old, candidate=candidate, candidate_since=since), words
    new = Standing(candidate, now)
    # It may have got worse (or better) still meanwhile: that must last on its own.
    return (new, "") if candidate == row.computed else _wait(card, row, new, now)


def bypasses(card: "Scorecard", row: ScoreRow, band: Band) -> bool:
    """Whether a hard rule that does not wait makes the band worse."""
    rule = card.rules(row.level).get(row.rule)
    return rule is not None and rule.bypass and RANK[row.computed] < RANK[band]


def plain(bands: "Bands", score: int | None, shift: int = 0) -> Band:
    """The band in which a score lies.

    Args:
        bands: With their edges.
        score: 0-100.
        shift: Points by which the edges are moved; 0 stays red and 100 green whatever it is.
    """
    if score is None:
        return "unknown"
    red, green = (min(100, max(1, edge + shift)) for edge in (bands.red_below, bands.green_from))
    return "red" if score < red else "yellow" if score < green else "green"


def asked(bands: "Bands", band: Band, row: ScoreRow) -> Band:
    """The band that a row asks for, coming from another: an edge counts as crossed only from the margin on.

    The margin is one of the score. Where something else than the score sets the band, a hard rule for example, there
    is none, and time alone decides.
    """
    if row.score is None or plain(bands, row.score) != row.computed:
        return row.computed
    best, worst = plain(bands, row.score, -bands.margin), plain(bands, row.score, bands.margin)
    return best if RANK[band] > RANK[best] else worst if RANK[band] < RANK[worst] else band


def confirmed_from(since: datetime, days: int) -> datetime:
    """From when on what was first seen at an instant has lasted for so many days."""
    later = timedelta(days=days - 1)
    day = datetime.combine(since.date() + later, time(), UTC)
    return max(day, since + later - SLACK) if days > 1 else since


def with_words(reason: str, *words: str) -> str:
    """A reason line with more words at its end, which are never what is cut off while the reason can be."""
    said = "; ".join(filter(None, words))[:MAX_REASON]
    return f"{reason[: max(0, MAX_REASON - len(said) - 2)]}; {said}"[:MAX_REASON] if said else reason


def freeze(row: ScoreRow, since: datetime) -> ScoreRow:
    """The last row of an account that is not scored any more, saying so."""
    words = f"{FROZEN} {since:%Y-%m-%d}"
    if row.held == words:
        return row
    return row._replace(held=words, trend=None, reason=f"{words}: {row.reason}"[:MAX_REASON])


def standing_lines(row: ScoreRow) -> Iterator[str]:
    """What to say of a row's band and trend below its score, in sentences; nothing where there is nothing to say."""
    if row.computed != row.band:
        yield f"The score by itself gives {row.computed}; the band is {row.band}."
    if row.held:
        yield f"{row.held[0].upper()}{row.held[1:]}."
    if row.trend:
        way = "Rising" if row.trend > 0 else "Falling"
        yield f"{way} by {abs(row.trend) // 10}.{abs(row.trend) % 10} points a week over the last eight weeks."


def _same_way(old: Standing, band: Band) -> bool:
    """Whether a band lies on the same side of the old one as its candidate does."""
    here = RANK[old.band]
    return old.candidate is not None and (RANK[old.candidate] < here) == (RANK[band] < here)


def _steps(band: Band, other: Band) -> int:
    return abs(RANK[band] - RANK[other])


def _edge(bands: "Bands", band: Band, target: Band) -> int:
    """The score that leads from one band to another: below it downwards, from it on upwards."""
    if RANK[target] < RANK[band]:
        return max(1, (bands.red_below if target == "red" else bands.green_from) - bands.margin)
    return min(100, (bands.green_from if target == "green" else bands.red_below) + bands.margin)


def _only(bands: "Bands", band: Band, target: Band) -> str:
    """`red only below 37`, `green only from 73 on`."""
    edge = _edge(bands, band, target)
    return f"{target} only below {edge}" if RANK[target] < RANK[band] else f"{target} only from {edge} on"


def _if_it_stays(bands: "Bands", band: Band, target: Band, row: ScoreRow) -> str:
    """`it stays below 37`, `it stays at 73 or above`."""
    if plain(bands, row.score) != row.computed:
        return "that stays so"
    edge = _edge(bands, band, target)
    return f"it stays below {edge}" if RANK[target] < RANK[band] else f"it stays at {edge} or above"


def _since(standing: Standing) -> str:
    return f"{standing.band} since {standing.since:%Y-%m-%d}"
