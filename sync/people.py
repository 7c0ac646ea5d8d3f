"""The fields that belong to people: what they say about an account, read with it and never written by a run.

A band with a reason and an end date, or a note. `setup` creates the fields, `holdfast override` fills the first three
for somebody who would rather not open the CRM, as a plan that names the account.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.base import FieldSpec
from mapping.themes import Themes, shipped
from scoring.overrides import WISHES, Override, Refused, read_override
from sync.tables import compact, epoch, instant
from sync.values import loads

if TYPE_CHECKING:
    from sync.store import Store

BAND, UNTIL, REASON, NOTE = (
    "account.override_band",
    "account.override_until",
    "account.override_reason",
    "account.note",
)
"""Our names of the fields."""
PEOPLE = (BAND, UNTIL, REASON, NOTE)

_SPECS = {
    BAND: FieldSpec(
        "account",
        "override_band",
        "Health override",
        "select",
        WISHES,
        "Yours: the band that holds whatever the score says, or hold to keep the band. Needs reason and end date.",
        optional=True,
    ),
    UNTIL: FieldSpec(
        "account",
        "override_until",
        "Health override until",
        "date",
        description="Yours: the last day of the override.",
        optional=True,
    ),
    REASON: FieldSpec(
        "account",
        "override_reason",
        "Health override reason",
        "text",
        description="Yours: why, and who says so.",
        optional=True,
    ),
    NOTE: FieldSpec(
        "account",
        "health_note",
        "Health note",
        "long_text",
        description="Yours: what one should know beside the score. Kept with the day it was first read.",
        optional=True,
    ),
}

_SAYS = """
SELECT v.record_id, a.name, v."values", v.version FROM crm_value v JOIN source s ON s.name = ?1
JOIN account a ON a.source = s.id AND a.source_id = v.record_id
WHERE v.object = 'account' AND a.valid_from IS NOT NULL AND a.valid_to IS NULL
  AND EXISTS (SELECT 1 FROM json_each(?2) n WHERE instr(v."values", n.value)) ORDER BY a.key
"""

_NOTES = "SELECT crm_id, since, text FROM note WHERE until IS NULL"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An override that is not applied, and why."""

    crm_id: str
    name: str
    why: str

    @property
    def line(self) -> str:
        """For a plan's notes."""
        return f"{self.name} ({self.crm_id}): {self.why}; it is not applied."


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody noted on an account.

    Attributes:
        text: In their words, which say who they are if they want to: the CRM does not tell with the field.
        since: When the record that first carried it was last changed, or when it was first read.
    """

    text: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Word:
    """What people say about one account, as the CRM was last read.

    Attributes:
        changed: When the record was last changed, as far as the CRM tells.
    """

    crm_id: str
    name: str
    override: Override | Refused | None
    note: str
    changed: datetime | None = None


def people_fields(
    overrides: Mapping[str, str], own_name: Callable[[str], str] = "holdfast_{}".format
) -> dict[str, FieldSpec]:
    """The fields of people by our names, under the admin's names; one named "" is left out.

    Args:
        overrides: Our name -> the CRM's.
        own_name: Makes a field's name in the CRM from ours.
    """
    named = {logical: overrides.get(logical, own_name(spec.name)) for logical, spec in _SPECS.items()}
    return {
        logical: FieldSpec(
            spec.object, named[logical], spec.label, spec.type, spec.options, spec.description, optional=True
        )
        for logical, spec in _SPECS.items()
        if named[logical]
    }


def words(store: "Store", crm: str, fields: Mapping[str, FieldSpec], now: datetime) -> Iterator[Word]:
    """What people say about accounts that the CRM has, of those about which they say anything.

    Args:
        store: The state.
        crm: Name of the CRM's source.
        fields: As `people_fields` gives them.
        now: The instant of the run: an override that has ended is refused.
    """
    names = {logical: spec.name for logical, spec in fields.items()}
    asked = json.dumps([f"{json.dumps(names[logical])}:" for logical in (BAND, NOTE) if logical in names])
    for crm_id, name, text, version in store.rows(_SAYS, (crm, asked)):
        values = loads(text)
        says = {logical: values.get(own) for logical, own in names.items()}
        parts = {"band": says.get(BAND), "until": says.get(UNTIL), "reason": says.get(REASON)}
        override = read_override(parts, now.astimezone(UTC).date())
        changed = None if version is None else instant(version // 1_000_000)
        note = str(says.get(NOTE) or "").strip()
        if override is None and not note:
            continue
        yield Word(crm_id, name or crm_id, override, note, changed)


def waiting(said: Iterable[Word]) -> list[Waiting]:
    """The overrides that a person has to complete or clear."""
    return [Waiting(word.crm_id, word.name, word.override.why) for word in said if isinstance(word.override, Refused)]


def keep_notes(store: "Store", said: Iterable[Word], now: datetime, themes: Themes | None = None) -> None:
    """Remember which note was read first when; one that was taken back or replaced is kept with its end.

    Beside it stands what it speaks of, by the lists of words as they were then.
    """
    looked = themes or shipped()
    held = {crm_id: (since, text) for crm_id, since, text in store.rows(_NOTES, ())}
    said_now = {word.crm_id: word for word in said if word.note}
    ended = [
        (epoch(now), crm_id, since)
        for crm_id, (since, text) in held.items()
        if crm_id not in said_now or said_now[crm_id].note != text
    ]
    new = [
        (word.crm_id, epoch(min(word.changed or now, now)), word.note, epoch(now), _named(looked.tags(word.note)))
        for word in said_now.values()
        if held.get(word.crm_id, (0, ""))[1] != word.note
    ]
    if not ended and not new:
        return
    with store.transaction() as conn:
        conn.executemany("UPDATE note SET until = ? WHERE crm_id = ? AND since = ?", ended)
        conn.executemany("INSERT OR REPLACE INTO note (crm_id, since, text, seen, themes) VALUES (?, ?, ?, ?, ?)", new)


def _named(found: tuple[str, ...] | None) -> str | None:
    return compact(list(found)) if found else None


def notes_of(store: "Store", crm_id: str) -> list[Note]:
    """The note on an account that stands, and those before it, the newest first."""
    rows = store.rows("SELECT text, since FROM note WHERE crm_id = ? ORDER BY since DESC", (crm_id,))
    return [Note(text, instant(since)) for text, since in rows]
