"""A person's word on an account's band, written into the fields that belong to people: a plan of one record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.base import Crm, FieldSpec, Value
from sync.budget import expected_calls
from sync.owned import OwnedFieldError
from sync.people import BAND, REASON, UNTIL
from sync.plan import FieldChange, Plan, RecordChange
from sync.values import same
from sync.writing import MissingFieldsError

FIELDS = (BAND, UNTIL, REASON)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to stand in the fields.

    Attributes:
        crm_id: The account.
        name: For people.
        values: Our name of a field -> its value; None empties it.
    """

    crm_id: str
    name: str
    values: Mapping[str, Value]


def override_plan(
    crm: Crm, fields: Mapping[str, FieldSpec], asked: Asked, now: datetime, environment: str, config_hash: str
) -> Plan:
    """Ask the CRM what the fields say now, and work out what to write. Writes nothing.

    Args:
        crm: Where.
        fields: As `sync.people.people_fields` gives them.
        asked: What to write.
        now: The instant of the plan.
        environment: Fingerprint of the CRM account.
        config_hash: Hash of the settings.

    Raises:
        OwnedFieldError: The config leaves one of the fields out.
        MissingFieldsError: The CRM lacks one.
        LookupError: The account is not in the CRM any more.
    """
    if off := [logical for logical in FIELDS if logical not in fields]:
        raise OwnedFieldError(f"writeback.fields leaves {off[0]} out, so there is nothing to write it into")
    specs = [fields[logical] for logical in FIELDS]
    if bad := [diff for diff in crm.setup(specs, dry_run=True, further=False) if diff.action != "ok"]:
        raise MissingFieldsError(bad)
    says = crm.read("account", [asked.crm_id], [spec.name for spec in specs]).get(asked.crm_id)
    if says is None:
        raise LookupError(f"{asked.name} ({asked.crm_id}) is not in the CRM any more")
    changes = tuple(
        FieldChange(fields[logical].name, says.get(fields[logical].name), value)
        for logical, value in asked.values.items()
        if not same(says.get(fields[logical].name), value)
    )
    why = "a person's word; the next run applies it"
    records = (RecordChange("account", asked.crm_id, asked.name, changes, why),) if changes else ()
    calls = expected_calls(records, (), crm.write)
    return Plan(now, environment, config_hash, records, expected_calls=calls, kind="override")
