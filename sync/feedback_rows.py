"""What the feedback record reads: answers with who they belong to, follow-up tasks, what waits, who was spoken with."""

import json
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sync.store import Store
from sync.tables import epoch, instant

Touches = Mapping[tuple[str, int | None], Sequence[int]]
"""("contact" or "account", key of the CRM's record) -> when we spoke with them, epoch seconds, rising."""
Waits = Mapping[tuple[str, str], str]
"""(account, playbook) -> why it waits."""


@dataclass(frozen=True, slots=True)
class Row:
    """An answer as the state file has it, with who it belongs to.

    Attributes:
        collected: When the agent first read it, epoch seconds.
        linked: When the link was made that its account goes by; None when it needed none.
        answered: When it was given, epoch seconds.
        account: CRM id; None when not matched.
        person: The source's id of the person.
        company: Whether the source names a company.
        in_crm: Whether the person is a contact of the CRM.
        review: Why several records fit, "" when not.
    """

    source: str
    source_id: str
    survey: str
    score: int
    top: int
    satisfied: bool | None
    themes: tuple[str, ...]
    answered: int
    collected: int
    linked: int | None
    account: str | None
    name: str | None
    account_key: int | None
    contact: str | None
    contact_key: int | None
    person: str | None
    email: str | None
    staff: bool
    company: bool
    in_crm: bool
    review: str


@dataclass(frozen=True, slots=True)
class Task:
    """A follow-up task of ours.

    Attributes:
        name: Playbook and step.
        event: When what it is about began.
        made: When it was made.
        due: By when it should be done; where somebody moved it, that day.
        ended: When it was done or deleted.
    """

    name: str
    event: datetime
    made: datetime
    due: datetime
    owner: str | None
    state: Literal["open", "done", "gone"]
    ended: datetime | None


_ANSWERS = """
SELECT s.name, r.source_id, r.survey, r.score, r.scale_max, r.satisfied, r.themes, r.responded_at,
  coalesce((SELECT min(h.valid_from) FROM survey_response_history h WHERE h.key = r.key), r.valid_from),
  max(coalesce(la.valid_from, 0), coalesce(lc.valid_from, 0), coalesce(lh.valid_from, 0)),
  fa.source_id, fa.name, fa.key, cc.source_id, cc.key, rc.source_id, coalesce(r.email, rc.email),
  coalesce(rc.staff, 0), r.account IS NOT NULL, cc.key IS NOT NULL, coalesce(v.reason, '')
FROM survey_response r
JOIN source s ON s.id = r.source
JOIN source crm ON crm.name = ?1
LEFT JOIN account ra ON ra.key = r.account
LEFT JOIN link la ON la.kind = 'account' AND la.key = r.account
LEFT JOIN contact rc ON rc.key = r.contact
LEFT JOIN link lc ON lc.kind = 'contact' AND lc.key = r.contact
LEFT JOIN link lh ON lh.kind = 'home' AND lh.key = r.contact
LEFT JOIN record_map mc ON mc.kind = 'contact' AND mc.status = 'merged'
  AND mc.key = CASE WHEN rc.source = crm.id THEN rc.key ELSE lc.crm END
LEFT JOIN contact cc ON cc.valid_from IS NOT NULL AND cc.valid_to IS NULL
  AND cc.key = coalesce(mc.merged_into, CASE WHEN rc.source = crm.id THEN rc.key ELSE lc.crm END)
LEFT JOIN account ca
  ON ca.key = coalesce(CASE WHEN ra.source = crm.id THEN ra.key ELSE la.crm END, cc.account, lh.crm)
LEFT JOIN record_map ma ON ma.kind = 'account' AND ma.status = 'merged' AND ma.key = ca.key
LEFT JOIN account fa ON fa.valid_from IS NOT NULL AND fa.valid_to IS NULL AND fa.key = coalesce(ma.merged_into, ca.key)
LEFT JOIN review v ON v.kind = 'contact' AND v.source = s.name AND v.source_id = rc.source_id
WHERE r.valid_from IS NOT NULL AND r.valid_to IS NULL AND r.responded_at BETWEEN ?2 AND ?3
ORDER BY r.responded_at DESC, r.key DESC
"""
"""An account of the answer's own counts before that of the person, as in scoring."""

_TASKS = """
SELECT f.crm_id, f.playbook, f.event_at, min(coalesce(o.sent_at, o.updated_at), o.updated_at),
  coalesce(f.moved_to, f.due), json_extract(o.payload, '$.owner_id'),
  CASE o.state WHEN 'rolled_back' THEN 'gone' ELSE f.state END, f.ended
FROM followup f JOIN op o ON o.key = f.key AND o.kind = 'task_create'
WHERE o.state IN ('confirmed', 'rolled_back', 'undo_skipped')
"""
_WAITS = "SELECT crm_id, playbook, why FROM withheld WHERE ended IS NULL ORDER BY until, playbook"

_TOUCHES = """
SELECT t.contact, coalesce(t.account, c.account), t.at FROM activity t LEFT JOIN contact c ON c.key = t.contact
WHERE t.valid_from IS NOT NULL AND t.valid_to IS NULL AND t.at >= ?1 AND t.task_key IS NULL
  AND t.activity IN ('call', 'meeting') AND coalesce(t.closed, 1) = 1
"""
"""E-mails do not count: a newsletter tells nobody what became of their answer."""


def answers(store: Store, crm: str, since: datetime, now: datetime) -> Iterator[Row]:
    """The answers between two instants, the newest first."""
    for (
        source, source_id, survey, score, top, satisfied, themes, answered, collected, linked, account, name, key,
        contact, contact_key, person, email, staff, company, in_crm, review,
    ) in store.rows(_ANSWERS, (crm, epoch(since), epoch(now))):  # fmt: skip
        yield Row(
            source, source_id, survey, score, top, None if satisfied is None else bool(satisfied),
            tuple(json.loads(themes)) if themes else (), answered, collected, linked or None, account, name, key,
            contact, contact_key, person, email, bool(staff), bool(company), bool(in_crm), review,
        )  # fmt: skip


def tasks_of(store: Store) -> dict[str, list[Task]]:
    """Every task of ours that the CRM has or had, by account."""
    found: dict[str, list[Task]] = {}
    for account, name, event, made, due, owner, state, ended in store.rows(_TASKS):
        end = None if ended is None else instant(ended)
        task = Task(name, instant(event), instant(made), instant(due), owner, state, end)
        found.setdefault(account, []).append(task)
    return found


def waits_of(store: Store) -> dict[tuple[str, str], str]:
    """What is withheld now, the soonest first."""
    return {(account, playbook): why for account, playbook, why in store.rows(_WAITS)}


def touches(store: Store, since: datetime) -> dict[tuple[str, int | None], list[int]]:
    """Calls and meetings since an instant, by person and by account."""
    found: dict[tuple[str, int | None], list[int]] = {}
    for contact, account, at in store.rows(_TOUCHES, (epoch(since),)):
        for place in (("contact", contact), ("account", account)):
            if place[1] is not None:
                insort(found.setdefault(place, []), at)
    return found
