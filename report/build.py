"""The report: one self-contained HTML file out of the state file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from report import charts, cohorts, figures
from report.accounts import packed
from report.page import STYLE, TABLE_SCRIPTS, page, render
from report.reading import BANDS, LEFT, OUTSIDE, WEEK, Account, Facts, read, weeks
from report.settings import ReportSettings
from report.words import NONE, amounts, day, minute, money, percent, tidy
from scoring.cards import Cards
from scoring.features.segments import STAGES
from sync.money import major
from sync.store import Store
from sync.values import count
from sync.words import ago

SHOWN = 40
"""Lines of a list at most; the list of accounts has them all."""
SHOWN_COHORTS = 24
MONTH = timedelta(days=30)

SECTIONS = {
    "portfolio": "Portfolio",
    "today": "Today",
    "movement": "Movement",
    "drivers": "Drivers",
    "segments": "Segments",
    "outcomes": "Tasks",
    "retention": "Retention",
    "sources": "Sources",
    "accounts": "Accounts",
}
_SEGMENT_MOVES = "SELECT segment, change, count(*) FROM v_segment_change WHERE at >= ? GROUP BY 1, 2"
_STAGE_MOVES = """
SELECT stage_before, stage_after, count(*) FROM v_stage_change WHERE at >= ? AND stage_before <> 'not scored'
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 12
"""


@dataclass(frozen=True, slots=True)
class Report:
    """A page that was made.

    Attributes:
        text: The HTML file.
        accounts: How many it lists.
        as_of: The instant it was made for.
    """

    text: str
    accounts: int
    as_of: datetime


def report(store: Store, cards: Cards, now: datetime, settings: ReportSettings | None = None) -> Report:
    """Make the whole page.

    Args:
        store: The state, which may be open for reading only.
        cards: The scorecards of the config: labels, units, where bands lie.
        now: The instant at which it is made; "a week ago" counts from here.
        settings: The `[report]` table of the config.
    """
    facts = read(store, now)
    moves, at = figures.moves(facts), weeks(facts)
    settings = settings or ReportSettings()
    values: dict[str, Any] = {**_words(facts), **_portfolio(facts, at), **_today(facts), **_movement(facts, moves)}
    values |= {**_drivers(facts), **_segments(store, facts, cards), **_stages(facts, cards, settings)}
    values |= {**_outcomes(facts), **_retention(store, facts, settings)}
    values |= {"lead": _lead(facts, moves, values["today"]), "card": cards.name, "sections": SECTIONS.items()}
    data = packed(facts, cards, at, moves)
    body = render("report.html", facts=facts, **values)
    scripts = (*TABLE_SCRIPTS, "report.js") if facts.accounts else ()
    text = page("Customer health", body, data, scripts=scripts, styles=(STYLE, "table.css", "report.css"))
    return Report(text, len(facts.accounts), now)


def _words(facts: Facts) -> dict[str, Any]:
    """What every section needs."""
    currency = figures.main_currency(facts.accounts)

    def value_of(one: Account) -> str:
        if one.mrr is None:
            return NONE
        text = f"{major(one.mrr, one.currency):,.0f}"
        return text if one.currency == currency else f"{text} {tidy(one.currency)}"

    return {
        "ago": ago,
        "day": day,
        "count": count,
        "minute": minute,
        "money": money,
        "amounts": amounts,
        "percent": percent,
        "tidy": tidy,
        "bands": BANDS,
        "shown": SHOWN,
        "currency": tidy(currency),
        "value_of": value_of,
        "hours": _hours,
        "places": {one.crm_id: place for place, one in enumerate(facts.accounts)},
    }


def _hours(numbers: Sequence[float]) -> str:
    middle = figures.quantile(numbers, 0.5)
    return NONE if middle is None else _time(middle)


def _time(hours: float) -> str:
    return f"{hours:,.0f} h" if hours >= 1 else "under 1 h"


def _lead(facts: Facts, moves: Sequence[figures.Move], today: Sequence[object]) -> str:
    """The report in two sentences."""
    red = figures.grouped(facts.accounts).get("red", figures.Group("red"))
    worse, better = (sum(move.way == way for move in moves) for way in ("worse", "better"))
    first = f"{count(len(facts.accounts), 'customer')}, {f'{red.accounts:,}' if red.accounts else 'none'} of them red"
    if red.value:
        first += f", with {money(red.value)} a month"
    if not figures.known_a_week_ago(facts):
        return f"{first}. {count(len(today), 'call')} due today."
    return f"{first}. Since last week {worse:,} got worse and {better:,} better. {count(len(today), 'call')} due today."


def _portfolio(facts: Facts, at: Sequence[datetime]) -> dict[str, Any]:
    groups, currency = figures.grouped(facts.accounts), figures.main_currency(facts.accounts)
    before = figures.bands_over(facts, [facts.now - WEEK]) if figures.known_a_week_ago(facts) else None
    total = len(facts.accounts)
    tiles, counts, values = [], {}, {}
    for band in BANDS:
        group = groups.get(band, figures.Group(band))
        delta = None if before is None else group.accounts - before[band][0]
        counts[band], values[band] = group.accounts, group.value.get(currency, 0)
        tiles.append(
            {
                "band": band,
                "accounts": group.accounts,
                "share": percent(group.accounts, total),
                "delta": None if delta is None else f"{delta:+,}".replace("-", "\N{MINUS SIGN}") if delta else "±0",
                "value": group.value,
            }
        )
    over = figures.bands_over(facts, at)
    labels, every = [f"{one:%d %b}" for one in at], max(1, len(at) // 8)
    unscored = sum(one.score is None for one in facts.accounts)
    return {
        "tiles": tiles,
        "by_accounts": _whole(counts, "{:,}"),
        "by_value": _whole(
            {band: round(major(one, currency)) for band, one in values.items()}, "{:,} " + tidy(currency)
        ),
        "over_time": charts.stacked(labels, _stack(over), what="Accounts by band, week by week", every=every)
        if len(at) > 1
        else "",
        "histogram": charts.stacked(
            [name.replace(" to ", "-") for name in figures.CLASSES],
            _stack(figures.distribution(facts.accounts)),
            what="Accounts by score and band",
        ),
        "unscored": f"{unscored:,} without a score" if unscored else "",
    }


def _stack(series: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """The worst at the bottom, where bars can be compared; bands that nobody is in are left out."""
    return {band: series[band] for band in BANDS if any(series[band])}


def _whole(parts: Mapping[str, int], form: str) -> list[dict[str, str]]:
    total, start, found = sum(parts.values()), 0, []
    for band, number in parts.items():
        if number:
            share = f"{100 * start / total:.3f}", f"{100 * number / total:.3f}"
            found.append({"band": band, "start": share[0], "width": share[1], "text": form.format(number)})
            start += number
    return found


def _today(facts: Facts) -> dict[str, Any]:
    today, soon = figures.to_do(facts)
    waits: dict[str, list[Any]] = {}
    for one in facts.waits:
        waits.setdefault(one.account_id, []).append(one)
    return {"today": today, "soon": soon, "untended": figures.untended(facts), "waits_of": waits}


def _movement(facts: Facts, moves: Sequence[figures.Move]) -> dict[str, Any]:
    counted = Counter(figures.stays(facts))
    columns = [band for band in (*BANDS, LEFT) if any(new == band for _, new in counted)]
    rows = [band for band in (*BANDS, LEFT, OUTSIDE) if any(old == band for old, _ in counted)]
    since = [one.versions[0].since for one in facts.accounts if one.versions]
    return {
        "moves": moves,
        "week_known": figures.known_a_week_ago(facts),
        "first": min(since, default=None),
        "matrix": {
            "columns": columns,
            "rows": [{"name": old, "numbers": [counted[old, new] for new in columns]} for old in rows],
        },
    }


def _drivers(facts: Facts) -> dict[str, Any]:
    found = figures.drivers(facts)
    rows = [(one.signal.replace("_", " "), one.lost / 10) for one in found if one.lost][:10]
    chart = charts.ranking(rows, what="Points lost by signal", unit="points") if rows else Markup("")
    return {"drivers": found, "driver_chart": chart}


def _segments(store: Store, facts: Facts, cards: Cards) -> dict[str, Any]:
    labels = {name: segment.label for card in cards.cards for name, segment in card.account.segments.items()}
    groups = figures.grouped(facts.accounts, {one.crm_id: one.segments for one in facts.accounts})
    begin = f"{facts.now - MONTH:%Y-%m-%dT%H:%M:%SZ}"
    moved = {(name, change): number for name, change, number in store.rows(_SEGMENT_MOVES, (begin,))}
    kept, back = figures.retention(facts), figures.recoveries(facts)
    rows = [
        {
            "label": labels.get(name, name),
            "group": groups.get(name, figures.Group(name)),
            "came": moved.get((name, "entered"), 0),
            "went": moved.get((name, "left"), 0),
            "back": back.get(name, (0, 0)),
            "kept": kept.get(name, [(0, 0)] * len(figures.HORIZONS)),
        }
        for name in {*groups, *kept, *labels}
    ]
    rows.sort(key=lambda row: (-(row["group"].median or -1), str(row["label"])))
    return {"segments": rows, "horizons": figures.HORIZONS, "stage_moves": store.rows(_STAGE_MOVES, (begin,))}


def _stages(facts: Facts, cards: Cards, settings: ReportSettings) -> dict[str, Any]:
    groups = figures.grouped(facts.accounts, {one.crm_id: (one.stage or "unknown",) for one in facts.accounts})
    rows = []
    for name in (*STAGES, "unknown"):
        if (group := groups.get(name)) is not None:
            target = settings.targets.get(name, cards.cards[0].bands.green_from)
            gap = None if group.median is None else group.median - target
            rows.append(
                {
                    "name": name,
                    "accounts": group.accounts,
                    "median": group.median,
                    "target": target,
                    "gap": "" if gap is None else "reached" if gap >= 0 else f"\N{MINUS SIGN}{-gap}",
                    "below": sum(score < target for score in group.scores),
                }
            )
    return {"stages": rows, "targets_set": bool(settings.targets)}


def _outcomes(facts: Facts) -> dict[str, Any]:
    found = figures.outcomes(facts)
    every = [hours for one in found for hours in one.hours]
    middle, slow = figures.quantile(every, 0.5), figures.quantile(every, 0.9)
    said = ""
    if middle is not None and slow is not None:
        said = f"from signal to task {_time(middle)} in the middle, {_time(slow)} for nine of ten"
    return {"outcomes": found, "total_made": sum(one.made for one in found), "reaction": said}


def _retention(store: Store, facts: Facts, settings: ReportSettings) -> dict[str, Any]:
    fates, today = cohorts.read(store)
    months = cohorts.cohorts(fates, today, cohorts.month_of)
    currency = figures.main_currency(facts.accounts)
    worth = cohorts.lifetimes(fates, today, currency, settings.margin_percent) if settings.margin_percent else []
    return {
        "months": months[-SHOWN_COHORTS:][::-1],
        "earlier": max(0, len(months) - SHOWN_COHORTS),
        "by_plan": cohorts.cohorts(fates, today, lambda one: one.plan),
        "by_channel": cohorts.cohorts(fates, today, lambda one: one.channel),
        "shown_months": cohorts.MONTHS,
        "late": cohorts.LATE,
        "unknown_end": sum(one.unknown for one in fates),
        "margin": settings.margin_percent,
        "lifetime": [
            {
                "name": one.name or "none",
                "customers": one.customers,
                "past": money({currency: one.past}),
                "churn": NONE if one.churn is None else f"{100 * one.churn:.1f} %",
                "expected": money({currency: one.expected}) if one.expected else "not told: nobody left",
            }
            for one in worth
        ],
    }
