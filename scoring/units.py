"""How a feature's value reads in a sentence: the same words in Python (`explain`) and in SQL (the reason line)."""

from dataclasses import dataclass
from typing import Literal

UnitKind = Literal["count", "percent", "change", "trend", "of_100", "of_10", "flag", "money", "text"]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts.

    Attributes:
        kind: How it is written.
        one: The thing counted, singular; for "count" only.
        many: The thing counted, plural; for "count" only.
    """

    kind: UnitKind
    one: str = ""
    many: str = ""

    @property
    def label(self) -> str:
        """What the unit is called in the catalogue."""
        return self.many or self.kind.replace("_", " ")

    def text(self, value: int | str | None) -> str:
        """The value in words: `41 days`, `down 62 %`, `rising`."""
        if value is None or isinstance(value, str):
            return value or "unknown"
        match self.kind:
            case "count":
                return f"{value} {self.one if value == 1 else self.many}"
            case "change":
                return "unchanged" if value == 0 else f"{'down' if value < 0 else 'up'} {abs(value)} %"
            case "trend":
                return "falling" if value < 0 else "rising" if value > 0 else "stable"
            case "flag":
                return "yes" if value else "no"
        return f"{value}{_SUFFIX[self.kind]}"

    def sql(self, column: str) -> str:
        """The same as a SQL expression over a column."""
        number = f"CAST({column} AS TEXT)"
        match self.kind:
            case "count":
                words = f"WHEN {column} = 1 THEN '1 {self.one}' ELSE {number} || ' {self.many}'"
            case "change":
                down = f"'down ' || CAST(0 - {column} AS TEXT) || ' %'"
                words = (
                    f"WHEN {column} = 0 THEN 'unchanged' WHEN {column} < 0 THEN {down} ELSE 'up ' || {number} || ' %'"
                )
            case "trend":
                words = f"WHEN {column} < 0 THEN 'falling' WHEN {column} > 0 THEN 'rising' ELSE 'stable'"
            case "flag":
                words = f"WHEN {column} = 0 THEN 'no' ELSE 'yes'"
            case "text":
                words = f"WHEN {column} = '' THEN 'unknown' ELSE {column}"
            case _:
                words = f"ELSE {number} || '{_SUFFIX[self.kind]}'"
        return f"CASE WHEN {column} IS NULL THEN 'unknown' {words} END"


_SUFFIX = {"percent": " %", "of_100": " of 100", "of_10": " of 10", "money": ""}


def things(one: str, many: str = "") -> Unit:
    """A unit that counts things; the plural takes an s unless given."""
    return Unit("count", one, many or one + "s")


DAYS, HOURS, MINUTES, PEOPLE = things("day"), things("hour"), things("minute"), things("person", "people")
PERCENT, CHANGE, TREND, FLAG, TEXT = Unit("percent"), Unit("change"), Unit("trend"), Unit("flag"), Unit("text")
OF_100, OF_10, MONEY = Unit("of_100"), Unit("of_10"), Unit("money")
