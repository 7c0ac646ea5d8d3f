"""People and parents: scores of an account by the role of its people, of a group by its accounts, and handed to people.

An average hides who is silent: a sponsor who never signs in disappears behind twenty keen users. So the levels are
kept apart. A parent's roll-up stands beside its own score and never replaces it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from scoring.inputs import FROZEN, Band, ScoreRow
from scoring.roles import ROLES

if TYPE_CHECKING:
    from scoring.card import Scorecard

Share = Literal["children", "value"]
Role = Literal["user", "team", "economic_buyer", "executive_sponsor"]
ROLLUP_SCORE, ROLLUP_BAND, ACCOUNT_SCORE = "rollup_score", "rollup_band", "account_score"
ACCOUNT_REASON = "account_reason"
"""What a row's features are called that this module adds."""


class Hierarchy(BaseModel):
    """How scores go up to parents and down to people. Left out, nothing of it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rollup: Share = Field(
        "children",
        description="What an account counts for in its parent's roll-up: 'children' the same each, 'value' its monthly "
        "recurring revenue.",
    )
    write: StrictBool = Field(
        False, description="True: roll-ups are written to parents, as account.rollup_score and account.rollup_band."
    )
    roll_down: tuple[Role, ...] = Field(
        (),
        description="Roles of people on whom the account's score is written, as contact.account_score, for tools that "
        'act on people, such as ["economic_buyer", "executive_sponsor"].',
    )
    roll_down_cap: StrictInt = Field(
        5, ge=1, le=100, description="On so many people of an account at most: the most senior, then the most active."
    )

    @property
    def fields(self) -> tuple[str, ...]:
        """Our names of the fields that are switched on."""
        up = (f"account.{ROLLUP_SCORE}", f"account.{ROLLUP_BAND}") if self.write else ()
        return (*up, f"contact.{ACCOUNT_SCORE}") if self.roll_down else up


# -- people -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoleView:
    """The people of one role at one account.

    Attributes:
        role: One of `ROLES`; empty for those whose role is not known.
        people: How many.
        scored: How many have a score.
        lowest: Their lowest engagement, 0-100; None when nobody has a score.
        mean: Their mean engagement, rounded down.
    """

    role: str
    people: int
    scored: int
    lowest: int | None
    mean: int | None

    @property
    def line(self) -> str:
        """For people who look after the account."""
        name = (self.role or "role not known").replace("_", " ")
        if self.lowest is None:
            return f"{name}: {self.people}, engagement not known"
        known = "" if self.scored == self.people else f", {self.scored} with engagement"
        return f"{name}: {self.people}{known}, lowest {self.lowest}, mean {self.mean}"


def by_role(contacts: Iterable[ScoreRow]) -> tuple[RoleView, ...]:
    """The people of an account by role, the most senior first."""
    found: dict[str, list[int | None]] = {}
    for row in contacts:
        found.setdefault(role_of(row), []).append(row.score)
    views = []
    for role in (*reversed(ROLES), ""):
        scores = found.get(role, [])
        known = [score for score in scores if score is not None]
        mean = sum(known) // len(known) if known else None
        if scores:
            views.append(RoleView(role, len(scores), len(known), min(known, default=None), mean))
    return tuple(views)


def role_of(row: ScoreRow) -> str:
    """A contact's role, empty when not known."""
    return str(row.features.get("role") or "")


def roll_down(
    accounts: Iterable[ScoreRow], contacts: Iterable[ScoreRow], homes: Mapping[int, int], settings: Hierarchy
) -> dict[int, int]:
    """Contact -> score of its account, for people of the roles asked for, within the cap.

    Args:
        accounts: Accounts that are scored now.
        contacts: Contacts with their roles.
        homes: Contact -> account.
        settings: The roles, and how many people of an account at most.
    """
    scores = {row.key: row.score for row in accounts if row.score is not None and not row.held.startswith(FROZEN)}
    wanted: dict[int, list[ScoreRow]] = {}
    for row in contacts:
        home = homes.get(row.key)
        if home is not None and home in scores and role_of(row) in settings.roll_down:
            wanted.setdefault(home, []).append(row)
    return {
        row.key: score
        for home, rows in wanted.items()
        if (score := scores[home]) is not None
        for row in sorted(rows, key=_first)[: settings.roll_down_cap]
    }


def _first(row: ScoreRow) -> tuple[int, int, int]:
    """The most senior, then the most active, then by key."""
    return -ROLES.index(role_of(row)), -1 if row.score is None else -row.score - 1, row.key


# -- parents ------------------------------------------------------------------------------------------------------


class Node(NamedTuple):
    """An account in the tree.

    Attributes:
        key: Its key.
        parent: Key of its parent, as the CRM says.
        value: Monthly recurring revenue, minor units; None when not known.
        currency: Of `value`.
    """

    key: int
    parent: int | None
    value: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Rollup:
    """What the accounts below a parent say together.

    Attributes:
        score: Their mean, 0-100, by their shares; None when less than the card's minimum coverage is known.
        band: Where that lies; no hard rule, and nothing holds it.
        accounts: Accounts below, at any depth.
        unknown: Of these, how many have no score; left out.
        unvalued: Of those with a score, how many have no contract value; left out of a roll-up by value.
        share: By what they count; equal shares where a roll-up by value is impossible.
        shares: Band -> percent of what is known, rounded so that they add up to 100.
        why: Why they count the same although value was asked for; else empty.
    """

    score: int | None
    band: Band
    accounts: int
    unknown: int
    unvalued: int
    share: Share
    shares: Mapping[Band, int]
    why: str = ""

    @property
    def line(self) -> str:
        """What it says and what it leaves out."""
        by = "contract value" if self.share == "value" else "number of accounts"
        score = "not known" if self.score is None else f"{self.score} ({self.band})"
        parts = [f"Roll-up of {self.accounts} {'account' if self.accounts == 1 else 'accounts'} below: {score}"]
        if self.shares:
            parts.append(", ".join(f"{percent} % {band}" for band, percent in self.shares.items()) + f" by {by}")
        left = [f"{self.unknown} without a score"] if self.unknown else []
        left += [f"{self.unvalued} without a contract value"] if self.unvalued else []
        parts += [f"left out: {' and '.join(left)}"] if left else []
        return "; ".join([*parts, *([self.why] if self.why else [])]) + "."


@dataclass(frozen=True, slots=True)
class RolledUp:
    """Every roll-up, and what is wrong with the tree.

    Attributes:
        parents: Parent -> roll-up.
        missing: Accounts whose parent the CRM does not have; they stand alone.
        circular: Accounts that are their own ancestors; their links are not followed.
    """

    parents: Mapping[int, Rollup]
    missing: tuple[int, ...] = ()
    circular: tuple[int, ...] = ()


@dataclass(slots=True)
class _Tally:
    """Sums over accounts: by number first, then by value."""

    accounts: int = 0
    unvalued: int = 0
    currencies: set[str | None] = field(default_factory=set)
    known: list[int] = field(default_factory=lambda: [0, 0])
    whole: list[int] = field(default_factory=lambda: [0, 0])
    points: list[int] = field(default_factory=lambda: [0, 0])
    bands: dict[Band, list[int]] = field(default_factory=dict)

    def count(self, node: Node, row: ScoreRow) -> None:
        self.accounts += 1
        value = node.value or 0
        if row.score is not None and not value:
            self.unvalued += 1
        if value:
            self.currencies.add(node.currency)
        for i, weight in enumerate((1, value)):
            self.whole[i] += weight
            if row.score is not None:
                self.known[i] += weight
                self.points[i] += weight * row.score
                self.bands.setdefault(row.band, [0, 0])[i] += weight

    def add(self, other: "_Tally") -> None:
        self.accounts += other.accounts
        self.unvalued += other.unvalued
        self.currencies |= other.currencies
        for i in (0, 1):
            self.whole[i] += other.whole[i]
            self.known[i] += other.known[i]
            self.points[i] += other.points[i]
            for band, sums in other.bands.items():
                self.bands.setdefault(band, [0, 0])[i] += sums[i]


def roll_up(
    rows: Sequence[ScoreRow], nodes: Iterable[Node], card_of: Callable[[ScoreRow], "Scorecard"], share: Share
) -> RolledUp:
    """The roll-up of every scored account that has scored ones below it, at any depth; each counts once.

    Args:
        rows: Accounts; those that are frozen (they left) do not count.
        nodes: The tree, every account of the CRM.
        card_of: The card whose edges and minimum coverage hold for a parent.
        share: By what an account counts.
    """
    tree = {node.key: node for node in nodes}
    mine = {row.key: row for row in rows if row.level == "account" and not row.held.startswith(FROZEN)}
    missing = {key for key, node in tree.items() if node.parent is not None and node.parent not in tree}
    circular = _circular(tree, missing)
    parents = {
        key: node.parent
        for key, node in tree.items()
        if node.parent is not None and key not in missing and key not in circular
    }
    below: dict[int, _Tally] = {}
    for key in _leaves_first(parents):
        tally = below.setdefault(parents[key], _Tally())
        if key in below:
            tally.add(below[key])
        if key in mine:
            tally.count(tree[key], mine[key])
    found = {
        key: _rollup(tally, card_of(mine[key]), share)
        for key, tally in sorted(below.items())
        if key in mine and tally.accounts
    }
    return RolledUp(found, tuple(sorted(missing)), tuple(sorted(circular)))


def _circular(tree: Mapping[int, Node], missing: Collection[int]) -> set[int]:
    """The accounts on circles of parents; one above which there is a circle is not on it."""
    found, seen = set[int](), set[int]()
    for start in tree:
        path: dict[int, int] = {}
        key: int | None = start
        while key is not None and key not in seen and key not in path:
            path[key] = len(path)
            key = None if key in missing else tree[key].parent
        if key in path:
            found |= {one for one, place in path.items() if place >= path[key]}
        seen |= path.keys()
    return found


def _leaves_first(parents: Mapping[int, int]) -> list[int]:
    """Every child, after all accounts below it."""
    waiting: dict[int, int] = {}
    for parent in parents.values():
        waiting[parent] = waiting.get(parent, 0) + 1
    ready = [key for key in parents if key not in waiting]
    for key in ready:  # grows while it is read
        parent = parents[key]
        waiting[parent] -= 1
        if not waiting[parent] and parent in parents:
            ready.append(parent)
    return ready


def _percent(amounts: Mapping[Band, int]) -> dict[Band, int]:
    """Shares in percent that add up to 100: what rounding down leaves goes to the largest remainders."""
    whole = sum(amounts.values())
    shares = {name: 100 * amount // whole for name, amount in amounts.items()}
    by_rest = sorted(amounts, key=lambda name: -(100 * amounts[name] % whole))
    for name in by_rest[: 100 - sum(shares.values())]:
        shares[name] += 1
    return shares


def _rollup(tally: _Tally, card: "Scorecard", share: Share) -> Rollup:
    why = ""
    if share == "value" and (not tally.known[1] or len(tally.currencies) > 1):
        why = "several currencies" if len(tally.currencies) > 1 else "no contract value is known"
        why += ", hence each counts the same"
    by_value = share == "value" and not why
    i, bands = int(by_value), card.bands
    known, whole = tally.known[i], tally.whole[i]
    enough = known > 0 and 100 * known >= bands.min_coverage * whole
    score = (2 * tally.points[i] + known) // (2 * known) if enough else None
    band: Band = "unknown"
    if score is not None:
        band = "red" if score < bands.red_below else "green" if score >= bands.green_from else "yellow"
    order: tuple[Band, ...] = ("green", "yellow", "red", "unknown")
    shares = _percent({name: tally.bands[name][i] for name in order if name in tally.bands}) if known else {}
    unknown = tally.accounts - tally.known[0]
    unvalued = tally.unvalued if by_value else 0
    return Rollup(score, band, tally.accounts, unknown, unvalued, "value" if by_value else "children", shares, why)


def with_scores(
    rows: Sequence[ScoreRow], rolled: Mapping[int, Rollup], down: Mapping[int, int], homes: Mapping[int, int]
) -> list[ScoreRow]:
    """The rows with what is rolled up to accounts and down to contacts among their features."""
    why = {
        row.key: f"from the account {row.name or row.crm_id}, {row.reason}" for row in rows if row.level == "account"
    }
    return [
        _with_score(row, rolled.get(row.key), down.get(row.key), why.get(homes.get(row.key, 0), "")) for row in rows
    ]


def _with_score(row: ScoreRow, rollup: Rollup | None, score: int | None, why: str) -> ScoreRow:
    if row.level == "account" and rollup is not None:
        return row._replace(features={**row.features, ROLLUP_SCORE: rollup.score, ROLLUP_BAND: rollup.band})
    if row.level == "contact" and score is not None:
        return row._replace(features={**row.features, ACCOUNT_SCORE: score, ACCOUNT_REASON: why})
    return row
