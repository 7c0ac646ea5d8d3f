"""Another card on the past: who would have stood where, what tasks there would have been, and who left.

Each card is played forward through the same instants from an empty memory: scores, settled bands, episodes and tasks.
What people did because of the old card's tasks is in the facts and stays there; so is every customer who was saved.
Such an account looks like a false alarm, under either card. docs/time-travel.md says what follows from that.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from scoring.cards import AnyCards, Cards
from scoring.inputs import Band, ScoreRow
from scoring.measure import Area, Called, Lead, Rate, area, at_capacity, lead_of
from scoring.playbooks import BandState, Situation, Work, decide, next_states
from scoring.settle import Said, Standing, settle
from scoring.trend import WEEKS

FROZEN_DAYS = 30
"""What is known later than so many days before somebody leaves is no forecast."""
HORIZON_DAYS = 90
"""Leaving within so many days after that counts."""
TOO_GOOD = 0.98
"""A single signal that ranks better than this knows the outcome rather than foretelling it."""
LEAST = 5
"""With fewer who left, nothing is said about single signals."""
NOTICE = "cancellation_set"
"""The feature that says that notice was given."""
_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Label:
    """When an account left, as far as that is known.

    Attributes:
        left: The day of notice or lapse, not the end of the contract; None for those who stayed.
    """

    left: date | None


@dataclass(slots=True)
class Week:
    """One instant under one card.

    Attributes:
        at: The instant.
        bands: Accounts by settled band.
        moved: How many changed their band since the instant before.
        opened: Tasks that begin here.
        closed: Tasks that nothing calls for any more.
    """

    at: datetime
    bands: Counter[str]
    moved: int = 0
    opened: int = 0
    closed: int = 0


@dataclass(slots=True)
class Run:
    """A card on its way through the instants.

    Attributes:
        name: Of the card.
        weeks: In order.
        scores: Instant -> account -> score.
        bands: Instant -> account -> settled band.
        signals: Instant -> account -> points by signal, of the instants that are measured.
        notice: Instant -> accounts that had given notice, where the card knows.
        reds: Account -> instants at which it became red.
    """

    name: str
    cards: AnyCards
    weeks: list[Week] = field(default_factory=list)
    scores: dict[datetime, dict[str, int | None]] = field(default_factory=dict)
    bands: dict[datetime, dict[str, Band]] = field(default_factory=dict)
    signals: dict[datetime, dict[str, tuple[tuple[str, int | None], ...]]] = field(default_factory=dict)
    notice: dict[datetime, set[str]] = field(default_factory=dict)
    reds: dict[str, list[datetime]] = field(default_factory=dict)
    changes: int = 0
    _standings: dict[str, Standing] = field(default_factory=dict)
    _states: dict[str, BandState] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _work: dict[str, Work] = field(default_factory=dict)

    def step(self, rows: Sequence[ScoreRow], at: datetime, *, measured: bool = False) -> None:
        """Play one instant; later ones must follow in order."""
        settled = settle(self.cards.card_of, rows, self._standings, at, Said(past=self._past(rows, at)))
        self._standings = settled.standings
        decisions = decide(self.cards, settled.rows, self._states, at, Situation(work=self._work))
        self._states = next_states(self.cards, settled.rows, self._states, at)
        # As if each was done at once: caps count what is new, and nobody is late.
        self._work |= {
            task.key: Work(task.crm_id, task.playbook, task.owner_id, at, task.due, "done")
            for task in decisions.tasks
            if task.key not in self._work
        }
        wanted = {task.key for task in decisions.tasks}
        bands = {row.crm_id: row.band for row in settled.rows}
        before = next(reversed(self.bands.values()), {})
        moved = {one for one, band in bands.items() if one in before and before[one] != band}
        week = Week(at, Counter(bands.values()), len(moved))
        week.opened, week.closed = len(wanted - self._seen), len(self._open - wanted)
        self._open, self._seen = wanted, self._seen | wanted
        self.changes += len(moved)
        for one, band in bands.items():
            if band == "red" and before.get(one) != "red":
                self.reds.setdefault(one, []).append(at)
        self.weeks.append(week)
        self.bands[at] = bands
        self.scores[at] = {row.crm_id: row.score for row in rows}
        if measured:
            self.signals[at] = {row.crm_id: tuple((s.name, s.points) for s in row.signals) for row in rows}
            self.notice[at] = {row.crm_id for row in rows if row.features.get(NOTICE)}

    def _past(self, rows: Sequence[ScoreRow], at: datetime) -> dict[int, Sequence[int | None]]:
        """The scores of the weeks before, for the trend; nothing unless instants are a week apart."""
        weekly = [self.scores.get(at - timedelta(weeks=week)) for week in range(WEEKS - 1, 0, -1)]
        if not any(weekly):
            return {}
        return {row.key: [week.get(row.crm_id) if week else None for week in weekly] for row in rows}

    @property
    def account_years(self) -> float:
        """How long all accounts together were looked at."""
        if len(self.weeks) < 2:
            return 0.0
        step = (self.weeks[-1].at - self.weeks[0].at) / (len(self.weeks) - 1)
        return sum(sum(week.bands.values()) for week in self.weeks[1:]) * (step / timedelta(days=1)) / _YEAR


@dataclass(frozen=True, slots=True)
class Measured:
    """How well a card told who would leave.

    Attributes:
        area: How it ranked; None when nobody left or nobody stayed.
        called: What calling the lowest would have found at each measured instant, added up.
        lead: Days from the first red that was confirmed to leaving.
        alarms: Times that an account became red, per account and year.
        changes: Times that a band changed, per account and year.
        dropped: Cases left out because notice was given before, or leaving was too near.
        censored: Cases left out because what became of them is not known yet.
        unknown: Cases of which too little was known for a score.
        leaks: Warnings that a signal knows the outcome.
        worked_on: Of the cases on which somebody did one of our tasks in that time, who left all the same.
        untouched: Of the others, who left.
        untouched_area: How the card ranked these alone: nobody can have been saved among them by a task of ours.
    """

    area: Area | None
    called: Called
    lead: Lead
    alarms: float
    changes: float
    dropped: int
    censored: int
    unknown: int
    leaks: tuple[str, ...]
    worked_on: Rate
    untouched: Rate
    untouched_area: Area | None


@dataclass(slots=True)
class _Cases:
    """Accounts at an instant from which somebody's leaving was to be foretold."""

    left: list[tuple[str, datetime]] = field(default_factory=list)
    stayed: list[tuple[str, datetime]] = field(default_factory=list)
    dropped: int = 0
    censored: int = 0


def measured_at(instants: Sequence[datetime]) -> list[datetime]:
    """The instants whose forecasts are measured: so far apart that nobody's leaving counts twice."""
    found: list[datetime] = []
    for at in instants:
        if not found or at - found[-1] >= timedelta(days=HORIZON_DAYS):
            found.append(at)
    return found


def measure(
    run: Run, labels: Mapping[str, Label], until: date, calls: int, worked: Mapping[str, Sequence[date]] | None = None
) -> Measured:
    """Measure a card against who left.

    A case is an account at a measured instant. It left when its day lies 30 to 120 days after; it stayed when it is
    known to have been there all that time. Who left sooner, or had given notice, is dropped; where nobody can know
    yet, it is censored.

    Args:
        run: A card that was played through all instants, measured at those of `measured_at`.
        labels: By CRM id; accounts that are not there stayed.
        until: The day up to which leaving is known.
        calls: How many accounts the team can call at each measured instant.
        worked: By CRM id, the days on which one of our tasks was done.
    """
    cases = _cases(run, labels, until)
    touched = [[case for case in group if _worked_on(case, worked or {})] for group in (cases.left, cases.stayed)]
    free = [set(group) - set(part) for group, part in zip((cases.left, cases.stayed), touched, strict=True)]
    scored = {(one, at): run.scores[at][one] for one, at in (*cases.left, *cases.stayed)}
    left, stayed = ([scored[case] for case in group] for group in (cases.left, cases.stayed))
    known = [[float(score) for score in group if score is not None] for group in (left, stayed)]
    years = run.account_years
    reds = sum(map(len, run.reds.values()))
    return Measured(
        area=area(*known),
        called=_called(run, cases, scored, calls),
        lead=lead_of([_lead(run, one, label.left) for one, label in labels.items() if _looked_at(run, one, label)]),
        alarms=reds / years if years else float("nan"),
        changes=run.changes / years if years else float("nan"),
        dropped=cases.dropped,
        censored=cases.censored,
        unknown=sum(score is None for score in (*left, *stayed)),
        leaks=tuple(_leaks(run, cases)),
        worked_on=Rate(len(touched[0]), sum(map(len, touched))),
        untouched=Rate(len(free[0]), sum(map(len, free))),
        untouched_area=area(*([float(s) for case in group if (s := scored[case]) is not None] for group in free)),
    )


def _worked_on(case: tuple[str, datetime], worked: Mapping[str, Sequence[date]]) -> bool:
    """Whether somebody did one of our tasks on an account between the forecast and the end of its 120 days."""
    one, at = case
    return any(0 <= (day - at.date()).days < FROZEN_DAYS + HORIZON_DAYS for day in worked.get(one, ()))


def _cases(run: Run, labels: Mapping[str, Label], until: date) -> _Cases:
    cases, stays = _Cases(), Label(None)
    for at in run.signals:
        first = at.date() + timedelta(days=FROZEN_DAYS)
        last = first + timedelta(days=HORIZON_DAYS)
        for one in run.scores[at]:
            day = labels.get(one, stays).left
            if one in run.notice[at] or (day is not None and day < first):
                cases.dropped += 1
            elif day is not None and day < last:
                cases.left.append((one, at))
            elif until < last:
                cases.censored += 1
            else:
                cases.stayed.append((one, at))
    return cases


def _called(run: Run, cases: _Cases, scored: Mapping[tuple[str, datetime], int | None], calls: int) -> Called:
    """Calls at each measured instant, the lowest first, added up."""
    parts = []
    for at in run.signals:
        group = [(scored[case], gone) for gone, of in ((True, cases.left), (False, cases.stayed)) for case in of
                 if case[1] == at]  # fmt: skip
        if any(gone for _, gone in group):
            parts.append((at_capacity(group, calls), len(group)))
    return _together([part for part, _ in parts], sum(size for _, size in parts))


def _together(parts: Sequence[Called], size: int) -> Called:
    calls, found = sum(part.calls for part in parts), sum(part.precision.part for part in parts)
    left = sum(part.recall.whole for part in parts)
    lift = (found / calls) / (left / size) if calls and left else float("nan")
    return Called(calls, Rate(found, calls), Rate(found, left), lift)


def _looked_at(run: Run, one: str, label: Label) -> bool:
    """Whether somebody left while the account was scored, and not right at the start."""
    first = run.weeks[0].at.date() + timedelta(days=FROZEN_DAYS)
    return label.left is not None and label.left >= first and any(one in bands for bands in run.bands.values())


def _lead(run: Run, one: str, left: date | None) -> int | None:
    days = [(left - at.date()).days for at in run.reds.get(one, ()) if left is not None and at.date() <= left]
    return max(days, default=None)


def _leaks(run: Run, cases: _Cases) -> Iterator[str]:
    """Signals that rank almost without fault by themselves."""
    if len(cases.left) < LEAST or len(cases.stayed) < LEAST:
        return
    points = [_points(run, group) for group in (cases.left, cases.stayed)]
    for name in sorted(points[0].keys() & points[1].keys()):
        left, stayed = points[0][name], points[1][name]
        alone = area(left, stayed) if len(left) >= LEAST and len(stayed) >= LEAST else None
        if alone is not None and alone.auc > TOO_GOOD:
            yield (
                f"{name} ({_features(run, name)}): by itself it ranks who leaves with an AUC of {alone.auc:.3f} thirty "
                "days before. That is too good to be a forecast: does it know the outcome?"
            )


def _features(run: Run, signal: str) -> str:
    """The feature that a signal reads; of several cards, those that they read."""
    cards = run.cards.cards if isinstance(run.cards, Cards) else (run.cards,)
    return ", ".join(dict.fromkeys(s.feature for one in cards if (s := one.account.signals.get(signal)) is not None))


def _points(run: Run, cases: Sequence[tuple[str, datetime]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one, at in cases:
        for name, points in run.signals[at][one]:
            if points is not None:
                found.setdefault(name, []).append(float(points))
    return found


def differing(first: Run, second: Run) -> dict[str, tuple[str, str]]:
    """Account -> its bands at the last instant, where the two cards differ."""
    old, new = (next(reversed(run.bands.values()), {}) for run in (first, second))
    both = sorted(old.keys() | new.keys())
    pairs = {one: (str(old.get(one, "not scored")), str(new.get(one, "not scored"))) for one in both}
    return {one: pair for one, pair in pairs.items() if pair[0] != pair[1]}
