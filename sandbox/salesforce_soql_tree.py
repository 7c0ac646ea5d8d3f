"""What a SOQL query is once read (see `sandbox.salesforce_soql`), and how a refusal points into its text."""

from dataclasses import dataclass
from typing import Literal as Choice

from sandbox.salesforce_errors import SfError

_AROUND = 60
"""How much of a query a refusal shows on either side of the fault."""


def refused(code: str, message: str) -> SfError:
    """400: a query that Salesforce does not accept."""
    return SfError(400, code, message)


def malformed(message: str) -> SfError:
    """400: a query that breaks the grammar."""
    return refused("MALFORMED_QUERY", message)


def pointed(text: str, at: int, message: str) -> str:
    """A message with the piece of the query it is about, a caret under the place and its row and column, from 1."""
    row = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    start = max(0, at - _AROUND)
    piece = text[start : at + _AROUND].replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return f"\n{piece}\n{' ' * (at - start)}^\nERROR at Row:{row}:Column:{column}\n{message}"


@dataclass(frozen=True, slots=True)
class Path:
    """A field, possibly of a parent: `Name`, `Account.Owner.Name`. `at` is where it stands in the text."""

    names: tuple[str, ...]
    at: int

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """COUNT, MIN or MAX of a field in the field list. `alias` is None when the query gave none."""

    function: str
    field: Path
    alias: str | None


@dataclass(frozen=True, slots=True)
class FieldSet:
    """`FIELDS(ALL)`, `FIELDS(STANDARD)` or `FIELDS(CUSTOM)`; `name` is in capitals."""

    name: str
    at: int


Selected = Path | Aggregate | FieldSet


@dataclass(frozen=True, slots=True)
class Literal:
    r"""A value in a condition.

    Attributes:
        kind: What it is; "word" is a date word such as TODAY.
        value: Text (unescaped), int or float, ISO date, epoch milliseconds, bool or None; of a date word its name and
            number.
        at: Where it stands in the text.
        raw: A string as written between the quotes: LIKE tells `%` from `\%`.
    """

    kind: Choice["string", "number", "date", "datetime", "boolean", "null", "word"]
    value: str | int | float | bool | tuple[str, int] | None
    at: int
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field against one value, or several for IN, NOT IN, INCLUDES and EXCLUDES. `<>` has become `!=`."""

    field: Path
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    term: "Condition"


@dataclass(frozen=True, slots=True)
class Chain:
    """Conditions of which all ("AND") or at least one ("OR") must hold."""

    word: str
    terms: tuple["Condition", ...]


Condition = Comparison | Not | Chain


@dataclass(frozen=True, slots=True)
class Order:
    """One key of ORDER BY. Nulls come first unless the query says otherwise, whatever the direction."""

    field: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query.

    Attributes:
        text: The query as asked, for refusals that point into it.
        selected: The field list; empty for `COUNT()`.
        object: The kind of record, as written; `object_at` is where.
        where: The condition, or None.
        group: The field of GROUP BY, or None.
        order: Keys of ORDER BY.
        limit: Rows at most, or None.
        offset: Rows to leave out at the start; None when not asked (0 also caps a result at 2,000 rows).
    """

    text: str
    selected: tuple[Selected, ...]
    object: str
    object_at: int
    where: Condition | None
    group: Path | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int | None

    @property
    def counts(self) -> bool:
        """Whether it is a `SELECT COUNT()`."""
        return not self.selected

    @property
    def aggregates(self) -> bool:
        """Whether its rows are groups and not records."""
        return self.group is not None or any(isinstance(item, Aggregate) for item in self.selected)
