"""E-mails, meetings and calls of Salesforce: what is asked for, what becomes of it, and what an org may lack."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from connectors.base import Batch, Finding, Stream
from connectors.errors import MissingPermissionError
from mapping.fields import FieldMap
from mapping.schema import Activity
from sandbox.model import Touch, World
from sandbox.salesforce_base import Ids
from sandbox.salesforce_ids import account_id, contact_id
from sandbox.world import make_world
from tests.connectors.conftest import Org

ON: dict[str, Any] = {"emails": True, "meetings": True}
NOW = datetime(2026, 11, 2, tzinfo=UTC)
MAP = FieldMap.load("salesforce")
KINDS = {"emails": ("02s", "email"), "meetings": ("00U", "meeting"), "tasks": ("00T", "call")}


@cache
def small() -> World:
    return make_world(seed=6, accounts=24, people_per_account=3, months=4, horizon_days=30, now=NOW)


def org(**settings: Any) -> Org:
    made = Org(small(), activities=True)
    made.crm = made.connect(wanted={kind: MAP.paths(kind) for kind in KINDS}, **settings)
    made.forget()
    return made


def stream(made: Org, name: str) -> Stream:
    return next(one for one in made.crm.streams if one.name == name)


def pulled(made: Org, name: str, cursor: str | None = None) -> list[Batch]:
    return list(made.crm.pull(stream(made, name), cursor))


def records(made: Org, batches: list[Batch], name: str) -> dict[str, Any]:
    """What the shipped map makes of the rows: nothing of them may be refused or unknown."""
    rows = [row for batch in batches for row in batch.rows]
    mapped = MAP.apply("crm", name, rows, made.box.clock.now())
    assert (mapped.rejects, mapped.unknown, mapped.warnings) == ([], {}, {})
    return {record.source_id: record for record in mapped.records}


def touches(name: str) -> dict[str, Touch]:
    """What the world says has happened by now."""
    prefix, kind = KINDS[name]
    ids = Ids(prefix)
    happened = (t for t in small().touches if t.kind == kind and t.at <= NOW and t.made_at <= NOW)
    return {ids.text(touch.id): touch for touch in happened}


def test_they_are_left_alone_unless_asked_for() -> None:
    off = org()
    assert not {one.name for one in off.crm.streams} & set(ON)
    for one in off.crm.streams:
        list(off.crm.pull(one, None))
    list(off.crm.check())
    assert not [entry for entry in off.box.journal if re.search("EmailMessage|FROM Event|/Event", str(entry))]


@pytest.mark.requirement("R65")
@pytest.mark.parametrize("way", ["queries", "bulk"])
@pytest.mark.parametrize("name", KINDS)
def test_each_becomes_what_happened(name: str, way: str) -> None:
    made = org(**ON, bulk_above=0 if way == "bulk" else 100_000)
    found, true = records(made, pulled(made, name), name), touches(name)
    if name == "tasks":
        mails = [record for record in found.values() if record.activity == "email"]
        assert mails
        assert {(one.inbound, one.tracked) for one in mails} == {(None, None)}
        found = {key: record for key, record in found.items() if record.activity == "call"}
    assert found.keys() == true.keys()
    assert len(found) > 5
    people = {t.person_id for t in true.values() if small().people[t.person_id - 1].created_at <= NOW}
    for key, touch in true.items():
        record: Activity = found[key]
        assert (record.activity, record.inbound) == (touch.kind, touch.inbound)
        if name != "tasks" or touch.done:
            assert record.at == touch.at.replace(microsecond=0)
        assert record.account_ref == account_id(touch.company_id)
        assert record.contact_ref == contact_id(touch.person_id) or touch.person_id not in people
        assert record.closed is (touch.done if name == "tasks" else True if name == "emails" else None)
        assert record.tracked is (touch.tracked if name == "emails" else None)
        seen = [moment.replace(microsecond=0) for moment in touch.opened if moment <= NOW]
        assert record.opened_at == (max(seen) if seen else None)


def test_what_people_wrote_is_never_asked_for() -> None:
    made = org(**ON)
    for name in KINDS:
        assert "Private words" not in str([batch.rows for batch in pulled(made, name)])


def test_what_was_written_about_a_case_is_left_to_the_tickets() -> None:
    made = org(**ON)
    case = made.do("create", object="Case", values={"Subject": "Help"})
    mail = made.do("create", object="EmailMessage", values={"ParentId": case, "MessageDate": NOW.isoformat()})
    other = made.do("create", object="EmailMessage", values={"MessageDate": NOW.isoformat(), "Status": "5"})
    made.pass_time(minutes=10)
    found = records(made, pulled(made, "emails"), "emails")
    assert mail not in found
    assert (found[other].closed, found[other].account_ref) == (False, None)


def test_a_meeting_ahead_is_none_until_it_has_taken_place() -> None:
    made = org(**ON)
    ahead = next(t for t in small().touches if t.kind == "meeting" and t.made_at < NOW < t.at)
    key, first = Ids("00U").text(ahead.id), pulled(made, "meetings")
    assert key not in records(made, first, "meetings")
    assert key in {one for batch in first for one in batch.deleted}
    made.box.clock.advance(max(ahead.at - NOW, timedelta(hours=24)) + timedelta(hours=1))
    later = pulled(made, "meetings", first[-1].cursor)
    assert records(made, later, "meetings")[key].at == ahead.at.replace(microsecond=0)
    made.do("edit", id=key, values={"StartDateTime": None})
    made.pass_time(minutes=10)
    rows = [row for batch in pulled(made, "meetings", later[-1].cursor) for row in batch.rows if row["Id"] == key]
    assert "at" in MAP.apply("crm", "meetings", rows, NOW).rejects[0].reason


@pytest.mark.parametrize(
    ("name", "kind", "field"),
    [
        ("tasks", "Task", "CallType"),
        ("emails", "EmailMessage", "IsTracked"),
        ("emails", "EmailMessage", "LastOpenedDate"),
    ],
)
def test_an_org_without_calls_or_tracking_is_read_without_them(name: str, kind: str, field: str) -> None:
    made = org(**ON)
    made.do("hide_field", object=kind, field=field)
    found = records(made, pulled(made, name), name).values()
    assert found
    lost = {"CallType": "inbound", "IsTracked": "tracked", "LastOpenedDate": "opened_at"}[field]
    assert {getattr(record, lost) for record in found} == {None}
    assert not [finding for finding in made.crm.check() if field in finding.message]


def warned(made: Org) -> list[Finding]:
    return [finding for finding in made.crm.check() if finding.code == "missing_permission"]


@pytest.mark.parametrize(("name", "kind"), [("emails", "EmailMessage"), ("meetings", "Event")])
def test_a_missing_right_is_a_finding_and_stops_that_stream_only(name: str, kind: str) -> None:
    made = org(**ON)
    made.do("revoke", object=kind, rights=["Read"])
    (finding,) = warned(made)
    assert finding.severity == "warning"
    assert kind in finding.message
    assert f"{name} = true" in finding.advice
    assert stream(made, name).optional
    with pytest.raises(MissingPermissionError, match=kind):
        pulled(made, name)
    assert pulled(made, "tasks")[-1].cursor
