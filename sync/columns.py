"""The words in which `sync/catalogue.py` describes what other programs may read: tables and columns."""

from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "integer", "boolean", "instant", "day", "json"]
"""An instant is text such as 2026-11-22T17:58:47Z and a day text such as 2026-11-22, both UTC; json is JSON text;
a boolean is 1 or 0."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: In SQL and in files.
        type: How its values are written.
        meaning: A sentence.
        unit: What a number counts; empty where there is nothing to say.
        personal: It tells who somebody is, or speaks of one person: left out unless people are asked for.
    """

    name: str
    type: Type
    meaning: str
    unit: str = ""
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table that can be read and exported.

    Attributes:
        name: The view, or the name of the file where there is no view.
        title: What one row is.
        key: The columns that name a row; an increment replaces rows by it.
        columns: In order.
        select: The SELECT that gives these columns.
        stamps: The columns that say when a row came or changed; none where a row may change without one, and the table
            is always exported whole.
        accounts_only: A condition that leaves out the rows on people.
        personal: Every row is on a person: left out unless people are asked for.
        view: Whether it is a view of the state file.
    """

    name: str
    title: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    select: str
    stamps: tuple[str, ...] = ()
    accounts_only: str = ""
    personal: bool = False
    view: bool = True

    def shown(self, *, people: bool) -> tuple[Column, ...]:
        """The columns that are given out."""
        return tuple(column for column in self.columns if people or not column.personal)

    def query(self, *, people: bool, since: str = "") -> str:
        """The SELECT that is given out; `since` is an instant as in the columns, for tables that have stamps."""
        names = ", ".join(f'"{column.name}"' for column in self.shown(people=people))
        conditions = [self.accounts_only] if self.accounts_only and not people else []
        if since and self.stamps:
            conditions.append(" OR ".join(f"\"{stamp}\" >= '{since}'" for stamp in self.stamps))
        where = " WHERE " + " AND ".join(f"({one})" for one in conditions) if conditions else ""
        return f"SELECT {names} FROM ({self.select}){where}"
