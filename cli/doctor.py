"""What `check` finds in the state file and the config: is the data good enough, are we ready, what has grown stale."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from cli.app import Wiring
from cli.output import count
from connectors.base import Finding, Severity
from sync import baseline, quality
from sync.backup import copies_of
from sync.store import Store
from sync.tables import instant

QUARTER = timedelta(days=90)
"""After which a scorecard should have been looked at by those who act on it."""

MOST_SKEW = 120
"""Seconds by which a vendor's clock may differ from ours."""

OLD_COPY = timedelta(days=3)
FEW_CUSTOMERS = 50
"""Under so many accounts a change of the card can hardly be told from chance."""

MANY_RED = 10
"""Accounts in trouble that one person can hardly look after in a week."""

LARGE = 512 * 1024 * 1024
"""Bytes of a state file from which its pages are not all read by `check`."""


def examine(wiring: Wiring, store: Store) -> dict[str, list[Finding]]:
    """Every finding that needs no vendor, by section: "data", "readiness", "upkeep"."""
    now = wiring.clock.now()
    measures = _measures(wiring, store, now)
    return {
        "data": list(_data(wiring, store, measures)),
        "readiness": list(_readiness(store, measures)),
        "upkeep": [*_file(store, now), *_clocks(store), *_card(wiring, store, now), *_segments(wiring, store)],
    }


# -- data ---------------------------------------------------------------------------------------------------------


def _measures(wiring: Wiring, store: Store, now: datetime) -> list[quality.Measure]:
    policy = wiring.policy
    return quality.measure(
        store,
        policy.quality,
        crm=wiring.crm.name,
        sources=[source.name for source, _ in wiring.sources],
        now=now,
        owners_matter=policy.tasks and policy.fallback_owner is None,
    )


def _data(wiring: Wiring, store: Store, measures: list[quality.Measure]) -> Iterator[Finding]:
    """Each measure, and whether the first fill may begin."""
    ((scored,),) = store.rows("SELECT count(*) FROM score WHERE level = 'account'")
    if not scored:
        yield Finding("info", "quality_unknown", "Nothing is scored yet.", "Run: holdfast sync --dry-run")
        return
    due = baseline.stand(store).due
    for one in measures:
        yield Finding(_severity(one, due=due), f"quality_{one.name}", one.text, "" if _well(one) else one.advice)
    bad = quality.failed(measures)
    if not wiring.policy.quality.enabled:
        yield Finding("info", "quality", "The pass mark is off (quality.enabled).")
    elif not bad:
        yield Finding("ok", "quality", "The data has reached the pass mark.")
    elif due:
        names = ", ".join(dict.fromkeys(one.name for one in bad))
        text = f"The data is below the pass mark ({names}): the first fill is held."
        accept = " ".join(f"--accept {name}" for name in dict.fromkeys(one.name for one in bad))
        yield Finding("error", "quality", text, f"Improve it, or accept it: holdfast sync --initial {accept}")
    else:
        text = "The data has fallen below the pass mark; runs go on, and scores say less than they could."
        yield Finding("warning", "quality", text, "Each line above says what to do.")


def _well(one: quality.Measure) -> bool:
    return one.reached and (one.mark is not None or one.share >= 0.5)


def _severity(one: quality.Measure, *, due: bool) -> Severity:
    if one.mark is None or not one.judged:
        return "info"
    if one.reached:
        return "ok"
    return "error" if due and not one.accepted else "warning"


# -- readiness ----------------------------------------------------------------------------------------------------

_OWNED = """
SELECT count(DISTINCT owner_id), count(*), sum(band = 'red') FROM v_account
WHERE left_at IS NULL AND owner_id IS NOT NULL
"""
"""Of all together: no figure of Holdfast compares colleagues."""

_PAID = "SELECT mrr_minor, currency FROM v_account WHERE left_at IS NULL ORDER BY mrr_minor DESC"


def _readiness(store: Store, measures: list[quality.Measure]) -> Iterator[Finding]:
    """The questions that a team should have answered before it acts on scores."""
    paid = store.rows(_PAID)
    if not paid:
        return
    marked = [one for one in measures if one.mark is not None]
    good = sum(one.reached for one in marked)
    text = f"Data: {good} of {count(len(marked), 'measure')} have reached their mark."
    yield Finding("ok" if good == len(marked) else "info", "ready_data", text)
    yield _capacity(store)
    ((left,),) = store.rows("SELECT count(*) FROM standing WHERE frozen IS NOT NULL")
    text = f"Cause: {count(left, 'account')} left while we watched. Do you know why the last ten customers left?"
    advice = "`holdfast what-if CARD --against FILE` says whether the score had seen it coming."
    yield Finding("info", "ready_cause", text, advice)
    advice = "So few accounts cannot show whether a card is right: trust people who know them."
    few = len(paid) < FEW_CUSTOMERS
    yield Finding("info", "ready_base", f"Base: {count(len(paid), 'account')}{_largest(paid)}.", advice if few else "")


def _largest(paid: Sequence[tuple[int | None, str | None]]) -> str:
    """How much of the revenue comes from the largest tenth, in the currency of most; nothing is converted."""
    currencies = Counter(currency for mrr, currency in paid if mrr)
    if not currencies:
        return ""
    ((main, _),) = currencies.most_common(1)
    values = [mrr for mrr, currency in paid if mrr and currency == main]
    top = values[: max(1, len(values) // 10)]
    where = f" in {main}" if len(currencies) > 1 else ""
    return f"; the largest {len(top):,} bring {100 * sum(top) // sum(values)} % of the monthly revenue{where}"


def _capacity(store: Store) -> Finding:
    ((owners, accounts, red),) = store.rows(_OWNED)
    if not owners:
        return Finding("warning", "ready_capacity", "Capacity: no account has an owner.", "Assign them in the CRM.")
    text = (
        f"Capacity: {count(owners, 'owner')}, {accounts // owners} accounts each on average, "
        f"{red / owners:.1f} of them red."
    )
    advice = "Is there time for them this week? writeback.tasks = false writes scores without tasks."
    return Finding("warning" if red > MANY_RED * owners else "info", "ready_capacity", text, advice)


# -- upkeep -------------------------------------------------------------------------------------------------------


def _file(store: Store, now: datetime) -> Iterator[Finding]:
    """The state file: whole, how large, and when it was last copied."""
    size = store.file.stat().st_size
    if size <= LARGE:
        ((said,),) = store.rows("PRAGMA quick_check(1)")
        if said != "ok":
            advice = "Run: holdfast state check; docs/operations.md says how to go back to a copy."
            yield Finding("error", "state_damaged", f"{store.file} is damaged: {said}.", advice)
            return
    looked = "whole" if size <= LARGE else "too large to be read whole here: holdfast state check"
    yield Finding("ok", "state_file", f"{store.file}: {_bytes(size)}, {looked}.")
    made = [copy.made for copy in copies_of(store.path) if copy.made]
    if not made:
        yield Finding("info", "no_copy", "There is no copy of it yet.", "Each day's first run makes one.")
    elif now - made[0] > OLD_COPY:
        text = f"Its newest copy is of {made[0]:%Y-%m-%d}."
        yield Finding("warning", "old_copy", text, "Is the agent still running? Copy it now: holdfast state backup")
    else:
        yield Finding("ok", "copies", f"{count(len(made), 'daily copy')}, the newest of {made[0]:%Y-%m-%d}.")


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.0f} kB"


def _clocks(store: Store) -> Iterator[Finding]:
    """Clocks as the last pulls saw them, by the vendors' Date headers."""
    skews: dict[str, int] = {}
    for one in store.status():
        if one.skew is not None and abs(one.skew) >= abs(skews.get(one.source, 0)):
            skews[one.source] = one.skew
    for source, skew in sorted(skews.items()):
        text = f"{source}'s clock was {abs(skew)} s {'ahead of' if skew > 0 else 'behind'} ours at the last pull."
        if abs(skew) > MOST_SKEW:
            yield Finding("warning", "clock", text, "Set this machine's clock (NTP).")
    if skews and all(abs(skew) <= MOST_SKEW for skew in skews.values()):
        most = max(abs(skew) for skew in skews.values())
        yield Finding("ok", "clocks", f"The clocks of {', '.join(sorted(skews))} agree with ours within {most + 1} s.")


def _card(wiring: Wiring, store: Store, now: datetime) -> Iterator[Finding]:
    """A card that nobody has looked at for a quarter."""
    rows = store.rows("SELECT max(since) FROM card WHERE fingerprint = ?", (wiring.card.fingerprint,))
    if not rows or rows[0][0] is None:
        return
    changed = instant(rows[0][0])
    reviewed = wiring.config.scoring.reviewed
    if reviewed is not None and reviewed > now.date():
        text = f"scoring.reviewed is {reviewed}, which is still to come."
        yield Finding("warning", "reviewed_later", text, "Set it to the day on which you last went through the card.")
    looked = max(changed, _midnight(reviewed)) if reviewed is not None else changed
    days = (now - looked).days
    text = f"{wiring.card.name}: {'looked at' if looked != changed else 'changed'} {count(days, 'day')} ago"
    if now - looked > QUARTER:
        advice = (
            "Go through it with those who act on it (`holdfast card lint`, `holdfast what-if`), then say so: "
            f"scoring.reviewed = {now:%Y-%m-%d}"
        )
        yield Finding("warning", "stale_card", f"{text}; what matters to customers moves within a quarter.", advice)
    else:
        yield Finding("ok", "card_age", f"{text}.")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


_IN_USE = """
SELECT DISTINCT value
FROM (SELECT segments FROM score UNION ALL SELECT segments FROM score_history), json_each(segments)
"""


def _segments(wiring: Wiring, store: Store) -> Iterator[Finding]:
    """Segments of the card that nobody is or was in."""
    used = {name for (name,) in store.rows(_IN_USE)}
    unused = [name for name in wiring.card.segment_names() if name not in used]
    if used and unused:
        text = f"Nobody is or was in {count(len(unused), 'segment')} of the card: {', '.join(unused)}."
        yield Finding("info", "unused_segments", text, "Take them out, or see what their rules ask: holdfast segments")
