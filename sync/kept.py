"""Compares all records with what is wanted, heeding other agents, people, and what takes our values back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from scoring.inputs import ScoreRow
from sync import frames
from sync.diff import Known, build_records
from sync.edits import Edits, Rules
from sync.heartbeat import agent_id, bind, only_agent
from sync.ledger import Ledger
from sync.owned import OwnedField
from sync.plan import HumanEdit, RecordChange
from sync.policy import Policy
from sync.store import Store
from sync.tables import instant
from sync.undone import Place
from sync.values import same


def compare(
    store: Store,
    rows: Sequence[ScoreRow],
    known: Mapping[tuple[str, str], Known],
    fields: Sequence[OwnedField],
    as_of: datetime,
    policy: Policy,
) -> tuple[list[RecordChange], list[HumanEdit]]:
    """What to write, and what is left alone.

    Args:
        store: The state file; fields that are fought over are noted there as parked.
        rows: What the records should say.
        known: What they say, by object and record id, as the CRM itself says.
        fields: Ours.
        as_of: The instant of scoring.
        policy: What the admin allows.

    Raises:
        SecondAgentError: Another agent writes into this CRM.
    """
    known = only_agent(store, known, fields)
    edits = Edits(store)
    rules = edits.rules(policy)
    edits.end_undone(_moved_on(rows, known, fields, as_of, rules) if rules.undone else ())
    records, kept = build_records(rows, known, bind(fields, agent_id(store)), as_of, rules)
    written = {key: record.written for key, record in known.items()}
    followers = [field.spec.name for field in fields if not field.moves_alone]
    left, parked = edits.park(records, written, followers, as_of)
    return left, kept + parked


def _moved_on(
    rows: Sequence[ScoreRow],
    known: Mapping[tuple[str, str], Known],
    fields: Sequence[OwnedField],
    as_of: datetime,
    rules: Rules,
) -> list[Place]:
    """Where something else than what an undo took back is wanted, and the CRM says it already: no write will tell.

    Not texts, which change by themselves.
    """
    found: list[Place] = []
    records = {place[:2] for place in rules.undone}
    for row in rows:
        if (row.level, row.crm_id) in records and (record := known.get((row.level, row.crm_id))):
            for field in fields:
                name, place = field.spec.name, (field.spec.object, row.crm_id, field.spec.name)
                if place in rules.undone and field.moves_alone and field.spec.type != "text":
                    wanted = field.value(row, as_of)
                    if same(wanted, record.current.get(name)) and not same(wanted, rules.undone[place]):
                        found.append(place)
    return found


def left_alone(
    store: Store, crm: str, fields: Sequence[OwnedField], policy: Policy, *, answered: bool = True
) -> list[HumanEdit]:
    """Fields that say something else than what we want and stay so, accounts first, by name.

    As of the last time the CRM was read: it is not asked again.

    Args:
        store: The state file; only read.
        crm: Name of the CRM's source.
        fields: Ours.
        policy: What the admin allows.
        answered: Whether answers count; else also what would be left alone if nobody had given any.
    """
    written = Ledger(store).written()
    records = [("account", record) for record in frames.accounts_for_plan(store, crm=crm)]
    if policy.contacts:
        records += [("contact", record) for record in frames.contacts_for_plan(store, crm=crm)]
    known = {
        (obj, record.crm_id): Known(record.name, record.values, written.get((obj, record.crm_id), {}))
        for obj, record in records
    }
    wanted = [field for field in fields if policy.contacts or field.spec.object != "contact"]
    newest = store.rows("SELECT coalesce(max(valid_from), 0) FROM score")[0][0]
    bound = bind(wanted, agent_id(store))
    rules = Edits(store).rules(policy)
    rules = rules if answered else replace(rules, answers={})
    _, kept = build_records(store.latest_scores(), known, bound, instant(newest), rules)
    return sorted(kept, key=lambda edit: (edit.object, edit.name, edit.record_id, edit.field))
