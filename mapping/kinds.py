"""What kind of value each field of the common schema takes, read from the schema's own annotations."""

from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from mapping import convert, themes
from mapping.convert import CONVERTERS, Converter
from mapping.schema import RECORDS, Currency, Instant, VendorId

FieldKind = Literal[
    "id", "text", "email", "emails", "domains", "ids", "int", "money", "currency", "bool", "instant", "date",
    "choice", "themes",
]  # fmt: skip

CONVERTERS_OF: dict[FieldKind, tuple[str, ...]] = {
    "id": ("id", "salesforce_id"),
    "text": ("text", "id", "email", "domain"),
    "email": ("email",),
    "emails": ("email",),
    "domains": ("domain",),
    "ids": ("id", "salesforce_id"),
    "int": ("int",),
    "money": ("money", "minor"),
    "currency": ("currency",),
    "bool": ("bool", "stage_closed", "stage_won"),
    "instant": ("instant",),
    "date": ("date",),
    "choice": ("text",),
    "themes": ("themes",),
}
"""Converters that fit a kind, the default first."""

MANY: tuple[FieldKind, ...] = ("emails", "domains", "ids")

PAST = frozenset({"created_at", "updated_at", "solved_at", "responded_at", "last_login_at", "paid_at", "at"})
"""Instants of something that already happened: later than now and a day is unreadable."""

_BY_NAME: dict[str, FieldKind] = {
    "email": "email",
    "other_emails": "emails",
    "domains": "domains",
    "account_refs": "ids",
    "mrr": "money",
    "amount": "money",
    "amount_due": "money",
    "themes": "themes",
}
_PLAIN: dict[Any, FieldKind] = {str: "text", bool: "bool", int: "int", Instant: "instant", date: "date"}


def _bare(hint: Any) -> Any:
    """The annotation without "or None"."""
    if get_origin(hint) in (Union, UnionType):
        return next(arg for arg in get_args(hint) if arg is not NoneType)
    return hint


def _kind(hint: Any) -> FieldKind:
    if hint == VendorId:
        return "id"
    if hint == Currency:
        return "currency"
    if get_origin(hint) is Literal:
        return "choice"
    return _PLAIN[get_args(hint)[0] if get_origin(hint) is Annotated else hint]


@cache
def kinds(record: str) -> dict[str, FieldKind]:
    """Kind of every field that a map can fill; `source` is given and `external_ids` is a table of ids."""
    hints = get_type_hints(RECORDS[record], include_extras=True)
    names = [name for name in RECORDS[record].model_fields if name not in ("source", "external_ids")]
    return {name: _BY_NAME.get(name) or _kind(_bare(hints[name])) for name in names}


@cache
def choices(record: str, name: str) -> tuple[str, ...]:
    """The words that a field of kind "choice" takes."""
    return get_args(_bare(get_type_hints(RECORDS[record])[name]))


def fitting(record: str, name: str) -> tuple[str, ...]:
    """Names of the converters that fit a field, its own first."""
    names = CONVERTERS_OF[kinds(record).get(name, "id")]
    return (*names, "by_score") if (record, name) == ("survey_response", "satisfied") else names


def converter(record: str, name: str, named: str, separator: str) -> Converter:
    """The converter called `named`, made fit for the field: for several values, or for its words only."""
    kind = kinds(record).get(name, "id")
    if kind in MANY:
        return convert.many(CONVERTERS[named], separator)
    if kind == "choice":
        return convert.by_table({word: word for word in choices(record, name)})
    return themes.shipped().tags if kind == "themes" else CONVERTERS[named]
