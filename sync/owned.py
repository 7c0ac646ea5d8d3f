"""The fields the agent owns in the CRM: what each is called there, its type, and how a score becomes its value."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.base import FieldSpec, Value
from scoring.features.segments import RFM, STAGES
from scoring.hierarchy import ACCOUNT_SCORE, ROLLUP_BAND, ROLLUP_SCORE
from scoring.inputs import Band, ScoreRow
from sync.people import PEOPLE, people_fields

BANDS: tuple[Band, ...] = ("green", "yellow", "red", "unknown")

TRENDS = ("stable", "rising", "falling")
"""By the sign of the slope."""

AGENT = "account.agent"
"""Our name of the field that says which agent wrote: `sync.heartbeat` gives it its value."""

SCORED_AT = "account.scored_at"

FOLLOWERS = frozenset({"scored_at", "agent"})
"""Fields that are written along with others and never cause a write by themselves."""


@dataclass(frozen=True, slots=True)
class OwnedField:
    """One field the agent fills.

    Attributes:
        logical: Our name for it, used in the config: "account.health_score".
        spec: How the CRM knows it.
        value: Reads the value out of a score row and the instant of scoring.
        moves_alone: False for a field that follows other changes (`scored_at`, `agent`) and never causes a write by
            itself.
    """

    logical: str
    spec: FieldSpec
    value: Callable[[ScoreRow, datetime], Value]
    moves_alone: bool = True


def _sign(slope: int) -> int:
    return (slope > 0) - (slope < 0)


class OwnedFieldError(ValueError):
    """The config names a field that does not exist."""


def default_fields(
    segments: Iterable[str], own_name: Callable[[str], str] = "holdfast_{}".format
) -> tuple[OwnedField, ...]:
    """The fields written by default.

    Args:
        segments: Names of every segment the scorecard can give; they become the options of the segment fields.
        own_name: Makes a field's name in the CRM from ours.
    """
    names = tuple(sorted(segments))
    specs: tuple[tuple[FieldSpec, Callable[[ScoreRow, datetime], Value]], ...] = (
        (
            FieldSpec(
                "account",
                "health_score",
                "Health score",
                "number",
                description="0-100, higher is better; empty when too little is known.",
            ),
            lambda row, _: row.score,
        ),
        (
            FieldSpec(
                "account",
                "health",
                "Health (1-5)",
                "number",
                description="1 (poor) to 5 (thriving); empty when too little is known.",
            ),
            lambda row, _: row.health,
        ),
        (
            FieldSpec(
                "account",
                "health_band",
                "Health band",
                "select",
                BANDS,
                "Green, yellow, red, or unknown when too little is known.",
            ),
            lambda row, _: row.band,
        ),
        (
            FieldSpec(
                "account",
                "health_reason",
                "Health reason",
                "text",
                description="What drives the score, in one line.",
            ),
            lambda row, _: row.reason or None,
        ),
        (
            FieldSpec(
                "account",
                "health_coverage",
                "Health coverage (%)",
                "number",
                description="Share of the score's weight for which fresh data exists, 0-100.",
            ),
            lambda row, _: row.coverage,
        ),
        (
            FieldSpec(
                "account",
                "trend",
                "Health trend",
                "select",
                TRENDS,
                "Where the score went over eight weeks; stable when chance alone may explain it, empty before.",
            ),
            lambda row, _: None if row.score is None or row.trend is None else TRENDS[_sign(row.trend)],
        ),
        (
            FieldSpec("account", "segments", "Health segments", "multi_select", names, "Behavioural segments."),
            lambda row, _: tuple(sorted(row.segments)) or None,
        ),
        (
            FieldSpec(
                "account",
                "lifecycle_stage",
                "Lifecycle stage",
                "select",
                STAGES,
                "Where the account is on its way, by what it does; empty when too little is known.",
            ),
            lambda row, _: row.features.get("stage"),
        ),
        (
            FieldSpec(
                "account",
                "rfm",
                "RFM group",
                "select",
                RFM,
                "Place among all customers by recency, frequency and money; empty when too little is known.",
            ),
            lambda row, _: row.features.get("rfm"),
        ),
        (
            FieldSpec(
                "account",
                "scored_at",
                "Health scored at",
                "datetime",
                description="When any of the health fields last changed.",
            ),
            lambda _, as_of: as_of.replace(microsecond=0),
        ),
        (
            FieldSpec(
                "account",
                "agent",
                "Health written by",
                "text",
                description="Which agent wrote the health fields; two that take turns are a mistake.",
            ),
            lambda _row, _as_of: None,
        ),
        (
            FieldSpec(
                "contact",
                "engagement",
                "Engagement",
                "number",
                description="0-100, how much this person uses the product; empty when unknown.",
            ),
            lambda row, _: row.score,
        ),
        (
            FieldSpec(
                "contact",
                "contact_segments",
                "Engagement segments",
                "multi_select",
                names,
                "Behavioural segments.",
            ),
            lambda row, _: tuple(sorted(row.segments)) or None,
        ),
    )
    return tuple(
        OwnedField(
            f"{spec.object}.{spec.name.removeprefix('contact_')}",
            replace(spec, name=own_name(spec.name)),
            value,
            moves_alone=spec.name not in FOLLOWERS,
        )
        for spec, value in specs
    )


_ON_DEMAND: tuple[tuple[FieldSpec, Callable[[ScoreRow, datetime], Value]], ...] = (
    (
        FieldSpec(
            "account",
            ROLLUP_SCORE,
            "Health score of the group",
            "number",
            description="0-100, of the accounts below this one; empty when it has none or too little is known.",
        ),
        lambda row, _: row.features.get(ROLLUP_SCORE),
    ),
    (
        FieldSpec(
            "account",
            ROLLUP_BAND,
            "Health band of the group",
            "select",
            BANDS,
            "Where the group's score lies; empty when there are no accounts below this one.",
        ),
        lambda row, _: row.features.get(ROLLUP_BAND),
    ),
    (
        FieldSpec(
            "contact",
            ACCOUNT_SCORE,
            "Health score of the account",
            "number",
            description="0-100, on people of the chosen roles, for tools that act on people.",
        ),
        lambda row, _: row.features.get(ACCOUNT_SCORE),
    ),
)
"""Fields that are written only where the config asks for them, see `scoring.hierarchy`."""


def on_demand_fields(own_name: Callable[[str], str] = "holdfast_{}".format) -> tuple[OwnedField, ...]:
    """The fields that the config switches on."""
    return tuple(
        OwnedField(f"{spec.object}.{spec.name}", replace(spec, name=own_name(spec.name)), value)
        for spec, value in _ON_DEMAND
    )


def owned_fields(
    segments: Iterable[str],
    overrides: Mapping[str, str],
    own_name: Callable[[str], str] = "holdfast_{}".format,
    wanted: Collection[str] = (),
) -> tuple[OwnedField, ...]:
    """The default fields under the admin's names; a field named "" is switched off.

    Args:
        segments: See `default_fields`.
        overrides: Our name -> the CRM's; names of people's fields (`sync.people`) may be among them.
        own_name: See `default_fields`.
        wanted: Our names of the fields of `on_demand_fields` that are on; the others may be named all the same.

    Raises:
        OwnedFieldError: For a logical name that does not exist, and for two fields under one name.
    """
    fields = {field.logical: field for field in default_fields(segments, own_name)}
    more = {field.logical: field for field in on_demand_fields(own_name)}
    fields |= {logical: field for logical, field in more.items() if logical in wanted}
    of_people = people_fields(overrides, own_name)
    allowed = (*fields, *(logical for logical in more if logical not in fields), *PEOPLE)
    if unknown := sorted(set(overrides) - set(allowed)):
        near = difflib.get_close_matches(unknown[0], allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise OwnedFieldError(f"unknown field {unknown[0]!r}.{hint} Allowed: {', '.join(allowed)}")
    renamed = (
        replace(field, spec=replace(field.spec, name=overrides.get(field.logical, field.spec.name)))
        for field in fields.values()
    )
    kept = tuple(field for field in renamed if field.spec.name)
    held: dict[tuple[str, str], str] = {}
    for logical, spec in (*((field.logical, field.spec) for field in kept), *of_people.items()):
        # Salesforce does not tell capitals apart in names, and nobody wants two fields that differ in nothing else.
        place = (spec.object, spec.name.lower())
        if place in held:
            raise OwnedFieldError(f"{held[place]!r} and {logical!r} are both called {spec.name!r}")
        held[place] = logical
    return kept
