"""Wall two of the guard: is a plan so large that something is wrong? Looked at in numbers before anything is written.

What counts is the distance from what we last *wrote*, not from what the last run computed: a change that was held
yesterday is still there today, so a hold cannot wear off by being looked at again. And once a plan was held, a later
one that still makes one of the same accounts worse is held too, however few they have become: a hold ends when its
cause is gone or a person has approved the plan, never by dripping through.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.base import Value
from scoring.inputs import ScoreRow
from sync.owned import OwnedField
from sync.plan import Plan
from sync.store import Store
from sync.tables import epoch, instant
from sync.values import same

if TYPE_CHECKING:
    from scoring.playbooks import BandState

RANK = {"green": 2, "yellow": 1, "red": 0}
"""Bands that say something, the better the higher; `unknown` is none of them."""

STANDING = "guard:standing"
"""Key of the standing hold in the state file's `meta`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one plan may change by itself; shares are of accounts that were written before.

    Attributes:
        enabled: False lets every plan through.
        band_changes: So many accounts may always change their band.
        band_share: Or this share, whichever is more.
        worse_share: The same for changes to a worse band.
        moved_points: A score that moves by so much has moved.
        moved_share: Share of scores that may move.
        mean_points: The mean of all scores may move by so much, in either direction.
        new_tasks: So many new tasks in all may always be.
        tasks_share: Or as many as this share of the accounts, whichever is more.
        tasks_per_owner: New tasks for one person.
        field_share: Share of records that may get another choice in a field of choices, such as segments.
        emptied_share: Share of records on which one field may be emptied.
        rejects_share: Share of changes that the CRM may have refused when we last wrote.
        canary_min: So many records are written first and read back.
        canary_share: Or this share of the plan, whichever is more.
        batch_errors: Share of a batch that may fail before writing stops.
    """

    enabled: bool = True
    band_changes: int = 10
    band_share: float = 0.05
    worse_share: float = 0.04
    moved_points: int = 10
    moved_share: float = 0.20
    mean_points: float = 4.0
    new_tasks: int = 25
    tasks_share: float = 0.01
    tasks_per_owner: int = 5
    field_share: float = 0.20
    emptied_share: float = 0.05
    rejects_share: float = 0.05
    canary_min: int = 5
    canary_share: float = 0.01
    batch_errors: float = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found.

    Attributes:
        check: Its name: "band_changes", "worse", "moved", "mean", "new_tasks", "tasks_per_owner", "field", "emptied",
            "rejects", "standing", "card", and on a first fill "baseline", "quality".
        measured: What the plan comes to.
        allowed: The most that passes.
        held: Whether the plan waits because of it.
        text: One sentence with the numbers.
    """

    check: str
    measured: float
    allowed: float
    held: bool
    text: str


@dataclass(frozen=True, slots=True)
class Before:
    """What we last wrote on an account; None for what we never wrote."""

    band: str | None
    score: int | None


@dataclass(frozen=True, slots=True)
class LastRun:
    """How the last run that wrote something ended.

    Attributes:
        endings: Changes by what became of them ("confirmed", "rejected", ...).
        config_hash: Hash of its settings; empty when not known.
        earlier: CRM id -> what we had written on an account before this hour, of those written by themselves since.
        tasks: Owner -> tasks that were created by themselves in this hour; None for those without.
    """

    endings: Mapping[str, int] = field(default_factory=dict)
    config_hash: str = ""
    earlier: Mapping[str, Before] = field(default_factory=dict)
    tasks: Mapping[str | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """A hold that nobody has released yet.

    Attributes:
        since: When the first of the plans in a row was held.
        plans: How many were held since, that one included.
        worse: CRM ids of the accounts that the held plans would have made worse.
    """

    since: datetime
    plans: int
    worse: frozenset[str]


# -- what there was before ----------------------------------------------------------------------------------------


def written_before(
    written: Mapping[tuple[str, str], Mapping[str, Value]],
    states: Mapping[str, "BandState"],
    fields: Sequence[OwnedField],
) -> dict[str, Before]:
    """What we last wrote on each account, by CRM id.

    Args:
        written: As `Ledger.written` gives it.
        states: As `Ledger.band_states` gives it; says the band where the config leaves its field out.
        fields: The fields we own.
    """
    names = {owned.logical: owned.spec.name for owned in fields}
    band, score = names.get("account.health_band", ""), names.get("account.health_score", "")
    found: dict[str, Before] = {}
    for (obj, crm_id), values in written.items():
        if obj == "account":
            state = states.get(crm_id)
            held = values.get(band, state.band if state else None)
            number = values.get(score)
            found[crm_id] = Before(
                held if isinstance(held, str) else None, int(number) if isinstance(number, int | float) else None
            )
    return found


def standing(store: Store) -> Standing | None:
    """The hold that nobody has released yet, None when there is none."""
    rows = store.rows("SELECT value FROM meta WHERE key = ?", (STANDING,))
    if not rows:
        return None
    data = json.loads(rows[0][0])
    return Standing(instant(data["since"]), data["plans"], frozenset(data["worse"]))


def remember(store: Store, held: bool, worse: Collection[str], now: datetime) -> Standing | None:  # noqa: FBT001 - said by name
    """Keep or end the standing hold; gives the one that stands from now on.

    Args:
        store: The state.
        held: Whether the plan of this run is held.
        worse: `worsened` of this run.
        now: The instant of the run.
    """
    old = standing(store)
    if not held:
        if old is not None:
            with store.transaction() as conn:
                conn.execute("DELETE FROM meta WHERE key = ?", (STANDING,))
        return None
    new = Standing(
        old.since if old else now, old.plans + 1 if old else 1, frozenset(worse) | (old.worse if old else frozenset())
    )
    text = json.dumps({"since": epoch(new.since), "plans": new.plans, "worse": sorted(new.worse)})
    with store.transaction() as conn:
        conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (STANDING, text))
    return new


def worsened(rows: Iterable[ScoreRow], before: Mapping[str, Before]) -> set[str]:
    """CRM ids of the accounts whose band is worse than the one we last wrote."""
    return {
        row.crm_id
        for row in rows
        if row.level == "account" and _rank(row.band) < _rank(before.get(row.crm_id, Before(None, None)).band)
    }


def _rank(band: str | None) -> float:
    """Height of a band; one that says nothing is level with every other."""
    return RANK.get(band or "", math.nan)


# -- the checks ---------------------------------------------------------------------------------------------------


def judge(
    plan: Plan,
    before: Mapping[str, Before],
    rows: Sequence[ScoreRow],
    limits: Limits,
    last: LastRun | None = None,
    stands: Standing | None = None,
    *,
    baseline: bool = False,
) -> list[Verdict]:
    """Check a plan; it may be written at once when none of the verdicts holds it.

    Args:
        plan: What is to be written.
        before: What we last wrote, see `written_before`.
        rows: The scores behind the plan.
        limits: What passes.
        last: How the last run that wrote something ended.
        stands: The hold that stands, see `standing`.
        baseline: The first fill: nothing was written before, so that limits on shares and tasks say nothing.

    Returns:
        One verdict for each check that measured something, held ones first.
    """
    if not limits.enabled or baseline:
        return []
    # Several runs an hour have the limits of one: what counts is the distance from an hour ago.
    ago = {**before, **last.earlier} if last is not None else before
    verdicts = [
        *_bands(rows, ago, limits),
        *_scores(rows, ago, limits),
        *_tasks(plan, limits, len(before), last.tasks if last is not None else {}),
        *_fields(plan, before, rows, limits),
        *_rejects(last, limits),
        *_stands(rows, before, stands),
    ]
    changed = last is not None and bool(last.config_hash) and last.config_hash != plan.config_hash
    if changed:
        verdicts = [_with_cause(verdict) if verdict.held else verdict for verdict in verdicts]
    return sorted(verdicts, key=lambda verdict: not verdict.held)


def _with_cause(verdict: Verdict) -> Verdict:
    text = f"{verdict.text} The settings have changed since we last wrote."
    return Verdict(verdict.check, verdict.measured, verdict.allowed, verdict.held, text)


def most(least: int, share: float, total: int) -> int:
    """So many of `total` pass: `least`, or the share when that is more."""
    return max(least, math.floor(share * total + 1e-9))


def _pairs(rows: Sequence[ScoreRow], before: Mapping[str, Before]) -> Iterator[tuple[ScoreRow, Before]]:
    for row in rows:
        if row.level == "account" and row.crm_id in before:
            yield row, before[row.crm_id]


def _bands(rows: Sequence[ScoreRow], before: Mapping[str, Before], limits: Limits) -> Iterator[Verdict]:
    known = [(row, old) for row, old in _pairs(rows, before) if old.band is not None]
    total, moves = len(known), Counter((old.band, row.band) for row, old in known if row.band != old.band)
    changed, allowed = moves.total(), most(limits.band_changes, limits.band_share, total)
    listed = ", ".join(f"{count} {old} to {new}" for (old, new), count in moves.most_common(3))
    yield Verdict(
        "band_changes",
        changed,
        allowed,
        changed > allowed,
        f"{changed:,} of {total:,} accounts change their band ({_percent(changed, total)}"
        f"{': ' + listed if listed else ''}); {allowed:,} may.",
    )
    worse, allowed = len(worsened(rows, before)), most(limits.band_changes, limits.worse_share, total)
    text = f"{worse:,} of {total:,} accounts get a worse band ({_percent(worse, total)}); {allowed:,} may."
    yield Verdict("worse", worse, allowed, worse > allowed, text)


def _scores(rows: Sequence[ScoreRow], before: Mapping[str, Before], limits: Limits) -> Iterator[Verdict]:
    moves = [
        row.score - old.score for row, old in _pairs(rows, before) if row.score is not None and old.score is not None
    ]
    total, moved = len(moves), sum(abs(move) >= limits.moved_points for move in moves)
    allowed = most(limits.band_changes, limits.moved_share, total)
    yield Verdict(
        "moved",
        moved,
        allowed,
        moved > allowed,
        f"{moved:,} of {total:,} scores move by {limits.moved_points} points or more ({_percent(moved, total)}); "
        f"{allowed:,} may.",
    )
    # The mean of a handful of accounts moves by one customer's bad week.
    if total >= 2 * limits.band_changes:
        mean = sum(moves) / total
        text = f"The mean of {total:,} scores moves by {mean:+.1f} points; {limits.mean_points:g} may it be."
        yield Verdict("mean", round(mean, 2), limits.mean_points, abs(mean) > limits.mean_points, text)


def _tasks(plan: Plan, limits: Limits, accounts: int, made: Mapping[str | None, int]) -> Iterator[Verdict]:
    """New tasks, together with those that were made in this hour before."""
    if not plan.tasks:
        return
    earlier = sum(made.values())
    tasks, allowed = len(plan.tasks) + earlier, most(limits.new_tasks, limits.tasks_share, accounts)
    text = f"{_new(tasks)}{_of_those(earlier)}; {allowed:,} may there be."
    yield Verdict("new_tasks", tasks, allowed, tasks > allowed, text)
    # Tasks without an owner are in nobody's way; the total holds them.
    owners = Counter({task.owner_id: made.get(task.owner_id, 0) for task in plan.tasks if task.owner_id is not None})
    owners.update(task.owner_id for task in plan.tasks if task.owner_id is not None)
    if owners:
        owner, count = owners.most_common(1)[0]
        name = next(task.owner_name for task in plan.tasks if task.owner_id == owner)
        text = f"{_new(count)} for {name or owner}{_of_those(made.get(owner, 0))}; "
        text += f"{limits.tasks_per_owner:,} may one person get at once."
        yield Verdict("tasks_per_owner", count, limits.tasks_per_owner, count > limits.tasks_per_owner, text)


def _new(tasks: int) -> str:
    return f"{tasks:,} new task{'' if tasks == 1 else 's'}"


def _of_those(earlier: int) -> str:
    return f" ({earlier:,} of them earlier in this hour)" if earlier else ""


def _fields(plan: Plan, before: Mapping[str, Before], rows: Sequence[ScoreRow], limits: Limits) -> Iterator[Verdict]:
    """Fields of choices that change, and fields that are emptied, on records that had a value."""
    totals = {"account": len(before), "contact": sum(row.level == "contact" for row in rows)}
    chosen, emptied = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for record in plan.records:
        for change in record.fields:
            if same(change.before, None):
                continue
            # Choices come and go: that a segment ends is no loss.
            if same(change.after, None) and not isinstance(change.before, tuple):
                emptied[record.object, change.field] += 1
            elif isinstance(change.before, tuple) or isinstance(change.after, tuple):
                chosen[record.object, change.field] += 1
    for check, what, share, counts in (
        ("emptied", "is emptied on", limits.emptied_share, emptied),
        ("field", "changes on", limits.field_share, chosen),
    ):
        for (obj, name), count in counts.items():
            allowed = most(limits.band_changes, share, totals.get(obj, 0))
            text = f"{name} {what} {count:,} of {totals.get(obj, 0):,} {obj}s; {allowed:,} may."
            yield Verdict(check, count, allowed, count > allowed, text)


def _rejects(last: LastRun | None, limits: Limits) -> Iterator[Verdict]:
    if last is None or not (sent := sum(last.endings.values())):
        return
    refused = last.endings.get("rejected", 0)
    allowed = most(limits.canary_min, limits.rejects_share, sent)
    text = f"The CRM refused {refused:,} of the {sent:,} changes of the last run that wrote; {allowed:,} may it be."
    yield Verdict("rejects", refused, allowed, refused > allowed, text)


def _stands(rows: Sequence[ScoreRow], before: Mapping[str, Before], stands: Standing | None) -> Iterator[Verdict]:
    if stands is None:
        return
    left = len(worsened(rows, before) & stands.worse)
    since = f"{stands.since:%Y-%m-%d %H:%M} UTC"
    text = (
        f"{left:,} of the {len(stands.worse):,} accounts that were held back since {since} still get a worse band: "
        "they wait until somebody approves the plan or their scores recover."
    )
    yield Verdict("standing", left, 0, left > 0, text)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"
