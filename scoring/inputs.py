"""What scoring is given and what it gives back: the common tables as data, `Inputs`, `ScoreRow`.

Every engine sees tables of exactly these names, columns and types. Instants are epoch seconds UTC, dates are epoch
days and only usage carries a DATE. NULL means "not known". Keys mean something inside one state file only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

FROZEN = "frozen since"
"""How the words on an account begin that is not scored any more."""

Level = Literal["account", "contact"]
Band = Literal["green", "yellow", "red", "unknown"]
SqlType = Literal["BIGINT", "VARCHAR", "DATE"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a common table.

    Attributes:
        name: Its name in SQL.
        type: Its type in SQL.
        meaning: What it says, with its unit.
        required: True when it is never NULL.
    """

    name: str
    type: SqlType
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One common table: its name in SQL, what one row is, its columns in order."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    def types(self) -> dict[str, SqlType]:
        """Column name -> SQL type."""
        return {column.name: column.type for column in self.columns}


def _int(name: str, meaning: str, *, required: bool = False) -> Column:
    return Column(name, "BIGINT", meaning, required)


def _text(name: str, meaning: str, *, required: bool = False) -> Column:
    return Column(name, "VARCHAR", meaning, required)


_ACCOUNT_KEY = _int("account", "Key of the CRM account.", required=True)
_CONTACT_REF = _int("contact", "Key of the CRM contact; NULL when not linked.")
_THEMES = _text("themes", "What its text speaks of: a JSON list of names; NULL when nothing was found.")

_TABLES = (
    Table(
        "account",
        "A CRM account.",
        (
            _ACCOUNT_KEY,
            _text("crm_id", "The CRM's id.", required=True),
            _text("name", "Name of the company."),
            _text("owner_id", "CRM id of the account owner."),
            _int("parent", "Key of the parent account."),
            _text("plan", "Product plan."),
            _int("mrr", "Monthly recurring revenue, minor units of `currency`."),
            _text("currency", "ISO 4217 code of `mrr`."),
            _int("customer_since", "First day as a customer, epoch days."),
            _int("renewal_date", "Day the current term ends, epoch days."),
            _int("created_at", "When the CRM record was made, epoch seconds."),
            _text("lifecycle", "The CRM's lifecycle stage."),
            _text("channel", "How the customer was won, as the CRM calls it."),
        ),
    ),
    Table(
        "contact",
        "A CRM contact.",
        (
            _int("contact", "Key of the CRM contact.", required=True),
            _text("crm_id", "The CRM's id.", required=True),
            _int("account", "Key of the primary account; NULL when none."),
            _text("title", "Job title."),
            _int("last_login_at", "Newest sign-in any linked record knows of, epoch seconds."),
            _int("created_at", "When the CRM record was made, epoch seconds."),
            _int("email_opt_out", "1 when they want no e-mails, 0 when not, NULL when the CRM does not say."),
            _int("do_not_call", "1 when they do not want to be called, likewise."),
        ),
    ),
    Table(
        "ticket",
        "A support request of a known account.",
        (
            _ACCOUNT_KEY,
            _CONTACT_REF,
            _text("status", "new, open, pending, hold, solved or closed.", required=True),
            _text("priority", "low, normal, high or urgent."),
            _int("created_at", "Opened, epoch seconds.", required=True),
            _int("solved_at", "Last solved or closed, epoch seconds."),
            _int("first_reply_minutes", "Calendar minutes to the first answer."),
            _int("reopens", "How often it was opened again."),
            _int("replies", "Answers of ours that the requester saw."),
            _text("channel", "How it came in, as the source calls it."),
        ),
    ),
    Table(
        "survey",
        "One survey answer of a known account.",
        (
            _ACCOUNT_KEY,
            _CONTACT_REF,
            _text("survey", "nps, csat or ces.", required=True),
            _int("score", "The answer on its own scale.", required=True),
            _int("scale_min", "Lowest possible answer.", required=True),
            _int("scale_max", "Highest possible answer.", required=True),
            _int("satisfied", "1 satisfied, 0 not, NULL neutral."),
            _int("responded_at", "When answered, epoch seconds.", required=True),
            _THEMES,
        ),
    ),
    Table(
        "note",
        "What a colleague noted on an account, as long as it stands and after.",
        (_ACCOUNT_KEY, _int("noted_at", "When it was read, epoch seconds.", required=True), _THEMES),
    ),
    Table(
        "deal",
        "A sale or renewal of a known account.",
        (
            _ACCOUNT_KEY,
            _int("closed", "1 when won or lost, else 0.", required=True),
            _int("won", "1 won, 0 lost, NULL while open."),
            _text("stage", "Stage, as the CRM calls it."),
            _int("renewal", "1 when it renews a contract, else 0.", required=True),
            _int("amount", "Minor units of `currency`."),
            _text("currency", "ISO 4217 code."),
            _int("close_date", "Expected or actual closing day, epoch days."),
            _int("created_at", "When the deal was made, epoch seconds."),
        ),
    ),
    Table(
        "invoice",
        "A bill of a known account.",
        (
            _ACCOUNT_KEY,
            _text("status", "draft, open, paid, void or uncollectible.", required=True),
            _int("amount_due", "Minor units.", required=True),
            _int("due_date", "Day it should be paid by, epoch days."),
            _int("paid_at", "When it was paid, epoch seconds."),
            _int("failed_attempts", "Failed collection attempts.", required=True),
            _int("created_at", "When it was issued, epoch seconds.", required=True),
        ),
    ),
    Table(
        "subscription",
        "A running contract of a known account.",
        (
            _ACCOUNT_KEY,
            _text("status", "The billing system's word.", required=True),
            _int("mrr", "Monthly recurring revenue, minor units."),
            _int("cancel_at", "When it is set to end, epoch seconds."),
            _int("card_expires", "Last day on which its payment card is valid, epoch days."),
        ),
    ),
    Table(
        "deal_move",
        "The closing day of a deal that is open now, moved: one row per move that the agent saw.",
        (
            _ACCOUNT_KEY,
            _int("renewal", "1 when the deal renews a contract, else 0.", required=True),
            _int("close_before", "Closing day until then, epoch days.", required=True),
            _int("close_after", "Closing day from then on, epoch days.", required=True),
            _int("moved_at", "When it was seen, epoch seconds.", required=True),
        ),
    ),
    Table(
        "account_change",
        "A CRM account before and after a change that the agent saw.",
        (
            _ACCOUNT_KEY,
            _text("plan_before", "Product plan until then."),
            _text("plan_after", "Product plan from then on."),
            _int("mrr_before", "Monthly recurring revenue until then, minor units; NULL when its currency changed."),
            _int("mrr_after", "Monthly recurring revenue from then on, minor units."),
            _text("owner_before", "CRM id of the owner until then."),
            _text("owner_after", "CRM id of the owner from then on."),
            _int("changed_at", "When it was seen, epoch seconds.", required=True),
        ),
    ),
    Table(
        "departure",
        "A person who left an account, or lost a part in its deals; a row for each part.",
        (
            _ACCOUNT_KEY,
            _int("contact", "Key of the person.", required=True),
            _int("gone", "1 left the account, 0 lost the part and stayed.", required=True),
            _text("role", "The part in a deal, as the CRM calls it."),
            _text("title", "Job title."),
            _int("left_at", "When it was seen, epoch seconds.", required=True),
        ),
    ),
    Table(
        "contact_role",
        "A part that a person plays in deals now.",
        (
            _int("contact", "Key of the person.", required=True),
            _text("role", "The part, as the CRM calls it.", required=True),
        ),
    ),
    Table(
        "activity",
        "A contact between us and a known account; the agent's own tasks are left out.",
        (
            _ACCOUNT_KEY,
            _CONTACT_REF,
            _text("activity", "call, meeting, email, task or note.", required=True),
            _int("inbound", "1 when they contacted us, 0 when we did, NULL when the source does not say."),
            _int("happened_at", "When it happened, epoch seconds.", required=True),
            _int("closed", "0 while it is only planned, 1 when done; NULL when that means nothing."),
            _int("tracked", "1 when the source would know of an opening (e-mails), else 0 or NULL."),
            _int("opened_at", "When it was last opened, epoch seconds."),
            _int("clicked_at", "When a link in it was last clicked, epoch seconds."),
        ),
    ),
    Table(
        "release",
        "A release of the config that an account was given.",
        (_ACCOUNT_KEY, _int("first_day", "Epoch days.", required=True), _int("last_day", "Epoch days.", required=True)),
    ),
    Table(
        "usage_person",
        "Who a person in the usage files is.",
        (
            _int("person", "Surrogate of source and product user id.", required=True),
            _CONTACT_REF,
            _int("account", "Key of the person's account; NULL when not linked."),
        ),
    ),
    Table(
        "usage_group",
        "Which account a group in the usage files is.",
        (
            _int("grp", "Surrogate of source and group key.", required=True),
            _int("account", "Key of the account; NULL when not linked."),
        ),
    ),
    Table(
        "feed",
        "When a kind of record was last complete at a configured source. No row for a kind means no such source.",
        (
            _text("record", "Kind of record: usage, ticket, survey_response, invoice, ...", required=True),
            _text("source", "Name of the source.", required=True),
            _int("as_of", "Up to when it is known, epoch seconds; NULL when it never was."),
            _int("held", "1 while the guard holds what it last said: it counts as fresh, however old; else NULL."),
            _int("since", "When it was first complete, epoch seconds, NULL when never. No earlier change was seen."),
        ),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
"""Every table that comes out of the state file, by name."""

USAGE = Table(
    "usage",
    "How often one person did one thing on one day. Parquet files, one per day and source, sorted by person.",
    (
        Column("day", "DATE", "Event day, UTC.", required=True),
        _int("person", "Surrogate, see usage_person.", required=True),
        _int("grp", "Surrogate, see usage_group; NULL when the events carried no group."),
        _text("event", "Event name.", required=True),
        _int("count", "Distinct events, at least 1.", required=True),
    ),
)
"""The one table that does not live in the state file. A row belongs to its group's account, else to its person's."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of the state file as they lie there, for the engine to join.

    Attributes:
        select: SELECT over the state file.
        columns: Its columns with their types; one of them is a BIGINT that is never NULL.
    """

    select: str
    columns: Mapping[str, SqlType]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything one scoring run reads.

    Attributes:
        state: The SQLite state file.
        tables: Common table -> SELECT over the state file giving its columns. A table that is neither here nor among
            the views is empty.
        usage: Usage Parquet files. Files whose name starts with an ISO day out of the card's reach are not opened.
        as_of: The instant to score for, aware; nothing later counts.
        parts: Name -> rows that the views join.
        views: Name -> SELECT that the engine runs, over parts and over the views before it. A view named like a common
            table is that table; the others are steps on the way. Joining a million tickets takes the engine a tenth of
            what it takes SQLite.
        later: Usage files, named like the others, of counts that are among those of `usage` and are to be taken off
            again: they became known after `as_of`.
    """

    state: Path
    tables: Mapping[str, str]
    usage: Sequence[Path]
    as_of: datetime
    parts: Mapping[str, Part] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    later: Sequence[Path] = ()


class SignalPoints(NamedTuple):
    """What one signal said about one account or contact.

    Attributes:
        name: The signal's name on the card.
        points: Hundredths, 100 (worst) to 500 (best); None when its value is missing.
        weight: Weight on the card, 0 when the tenant has no source of that kind.
        value: The feature's value, in the feature's unit.
        fresh: Percent that its kind of record still counts, by the age of its source.
    """

    name: str
    points: int | None
    weight: int
    value: int | None
    fresh: int = 100


class ScoreRow(NamedTuple):
    """The result for one account or contact.

    Attributes:
        level: What was scored.
        key: Local key.
        crm_id: The CRM's id.
        name: The account's name; None for contacts.
        owner_id: CRM id of the account owner; None for contacts.
        score: 0-100, higher is better; None when less than the card's minimum coverage is known.
        health: 1-5, the rounded weighted mean; None together with `score`.
        points: The weighted mean of the signals, shrunk to neutral, in hundredths (100-500); 300 when nothing is known.
        coverage: Percent of the card's weight that is known and fresh.
        band: Where the score lies.
        segments: Names, sorted.
        reason: One line, at most 255 characters.
        signals: In card order.
        features: Feature name -> value, for every feature the card uses, in the catalogue's units.
        card: Name of the card that scored it.
        computed: The band that score and hard rules give by themselves; `band` differs while something holds it.
        held: Why `band` differs from `computed`, in words; empty when it does not.
        rule: Name of the hard rule that sets the band; empty when none does.
        trend: Tenths of a score point a week, 0 when chance may explain it; None while too few weeks are known.
    """

    level: Level
    key: int
    crm_id: str
    name: str | None
    owner_id: str | None
    score: int | None
    health: int | None
    points: int
    coverage: int
    band: Band
    segments: tuple[str, ...]
    reason: str
    signals: tuple[SignalPoints, ...]
    features: Mapping[str, int | str | None]
    card: str = ""
    computed: Band = "unknown"
    held: str = ""
    rule: str = ""
    trend: int | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """How much of the machine the engine may take.

    Attributes:
        threads: Worker threads.
        memory: Memory limit in the engine's own words, such as "700MB".
        spill: Folder for what does not fit; None keeps the engine from spilling.
    """

    threads: int = 2
    memory: str = "700MB"
    spill: Path | None = None
