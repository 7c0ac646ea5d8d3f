"""E-mails, calls and meetings of HubSpot: what is asked for, what becomes of it, and what it costs."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from connectors.base import Batch, Finding, Stream
from connectors.errors import MissingPermissionError
from mapping.fields import FieldMap
from mapping.schema import Activity
from sandbox.hubspot_access import ALL_SCOPES
from sandbox.hubspot_activities import activity_id
from sandbox.model import Touch, World
from sandbox.world import make_world
from tests.connectors.conftest import Portal

KINDS = ("emails", "calls", "meetings")
ON: dict[str, Any] = dict.fromkeys(KINDS, True)
NOW = datetime(2026, 11, 2, tzinfo=UTC)
MAP = FieldMap.load("hubspot")


@cache
def small() -> World:
    return make_world(seed=6, accounts=24, people_per_account=3, months=4, horizon_days=30, now=NOW)


@pytest.fixture
def portal() -> Portal:
    made = Portal(small())
    made.crm = made.connect(**ON, wanted={kind: MAP.paths(kind) for kind in KINDS})
    made.forget()
    return made


def stream(portal: Portal, name: str) -> Stream:
    return next(one for one in portal.crm.streams if one.name == name)


def pulled(portal: Portal, name: str, cursor: str | None = None) -> list[Batch]:
    return list(portal.crm.pull(stream(portal, name), cursor))


def records(portal: Portal, batches: list[Batch], name: str) -> dict[str, Any]:
    """What the shipped map makes of the rows: nothing of them may be refused or unknown."""
    rows = [row for batch in batches for row in batch.rows]
    mapped = MAP.apply("crm", name, rows, portal.box.clock.now())
    assert (mapped.rejects, mapped.unknown, mapped.warnings) == ([], {}, {})
    return {record.source_id: record for record in mapped.records}


def touches(kind: str) -> dict[str, Touch]:
    """What the world says has happened by now."""
    return {
        str(activity_id(kind, touch.id)): touch
        for touch in small().touches
        if f"{touch.kind}s" == kind and touch.at <= NOW and touch.made_at <= NOW
    }


def test_they_are_left_alone_unless_asked_for() -> None:
    off = Portal(small())
    off.forget()
    assert not {one.name for one in off.crm.streams} & set(KINDS)
    for one in off.crm.streams:
        list(off.crm.pull(one, None))
    list(off.crm.check())
    assert not [request for request in off.requests() if re.search("emails|calls|meetings", request)]


@pytest.mark.requirement("R65")
@pytest.mark.parametrize("kind", KINDS)
def test_each_becomes_what_happened(portal: Portal, kind: str) -> None:
    found, true = records(portal, pulled(portal, kind), kind), touches(kind)
    assert found.keys() == true.keys()
    assert len(found) > 5
    people = set(portal.ids("contacts"))
    for key, touch in true.items():
        record: Activity = found[key]
        assert (record.activity, record.inbound, record.closed) == (touch.kind, touch.inbound, touch.done)
        assert record.at == touch.at
        assert record.account_ref == str(8_000_000_000 + 17 * touch.company_id)
        person = str(50_000_000 + 13 * touch.person_id)
        assert record.contact_ref == (person if person in people else None)
        seen = [moment for moment in touch.opened if moment <= NOW]
        assert record.opened_at == (max(seen) if seen else None)
        clicked = touch.clicked_at if touch.clicked_at and touch.clicked_at <= NOW else None
        assert record.clicked_at == clicked
        assert record.tracked is (touch.tracked if kind == "emails" else None)


def test_what_people_wrote_is_never_asked_for(portal: Portal) -> None:
    for kind in KINDS:
        rows = [row for batch in pulled(portal, kind) for row in batch.rows]
        assert "Private words" not in str(rows)
    assert not re.search("subject|body|text|html|title", " ".join(portal.requests()))


def test_an_opening_is_noticed_when_it_happens(portal: Portal) -> None:
    hour = timedelta(hours=1)
    mails = (t for t in small().touches if t.opened and t.at > NOW + hour)
    sent = next(t for t in mails if t.opened[0] > t.at + hour)
    key, cursor = str(activity_id("emails", sent.id)), pulled(portal, "emails")[-1].cursor
    portal.box.clock.advance(sent.at - NOW + hour / 2)
    batches = pulled(portal, "emails", cursor)
    assert records(portal, batches, "emails")[key].opened_at is None
    portal.box.clock.advance(sent.opened[0] - sent.at)
    found = records(portal, pulled(portal, "emails", batches[-1].cursor), "emails")
    assert found[key].opened_at == max(moment for moment in sent.opened if moment <= portal.box.clock.now())


def test_of_old_e_mails_an_opening_is_dated_like_the_e_mail_and_costs_no_call(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.hubspot_fold.HISTORY_AGE", timedelta(0))
    found, true = records(portal, pulled(portal, "emails"), "emails"), touches("emails")
    opened = {key for key, touch in true.items() if touch.opened and touch.opened[0] <= NOW}
    assert {key: record.opened_at for key, record in found.items() if record.opened_at} == {
        key: true[key].at for key in opened
    }
    assert not [request for request in portal.requests() if request.endswith("/batch/read")]


def test_histories_are_read_fifty_at_a_time(portal: Portal) -> None:
    pulled(portal, "emails")
    opened = [t for t in touches("emails").values() if t.opened and t.opened[0] <= NOW]
    pages = -(-len(touches("emails")) // 100)
    asked = [request for request in portal.requests() if request.endswith("/batch/read")]
    assert len(opened) > 50
    assert -(-len(opened) // 50) <= len(asked) <= 2 * pages


def test_a_meeting_ahead_is_none_until_it_has_taken_place(portal: Portal) -> None:
    ahead = next(t for t in small().touches if t.kind == "meeting" and t.made_at < NOW < t.at)
    key = str(activity_id("meetings", ahead.id))
    first = pulled(portal, "meetings")
    assert key not in records(portal, first, "meetings")
    assert key in {one for batch in first for one in batch.deleted}
    portal.box.clock.advance(max(ahead.at - NOW, timedelta(hours=24)) + timedelta(hours=1))
    later = records(portal, pulled(portal, "meetings", first[-1].cursor), "meetings")
    assert later[key].at == ahead.at


def test_a_meeting_that_is_put_off_is_taken_back(portal: Portal) -> None:
    first = pulled(portal, "meetings")
    key = next(iter(records(portal, first, "meetings")))
    later = (NOW + timedelta(days=20)).isoformat()
    portal.do("edit", object="meetings", id=key, properties={"hs_timestamp": later})
    portal.pass_time(minutes=30)
    changes = pulled(portal, "meetings", first[-1].cursor)
    assert key in {one for batch in changes for one in batch.deleted}


def test_of_several_companies_none_is_chosen_and_what_has_no_date_is_set_aside(portal: Portal) -> None:
    first = pulled(portal, "calls")
    key, one = next(iter(records(portal, first, "calls").items()))
    other = next(company for company in portal.ids("companies") if company != one.account_ref)
    portal.do("associate", object="calls", id=key, to="companies", to_id=other, types=[182])
    portal.do("edit", object="calls", id=key, properties={"hs_timestamp": ""})
    again = [row for batch in pulled(portal, "calls") for row in batch.rows if row["id"] == key]
    mapped = MAP.apply("crm", "calls", again, NOW)
    assert "at" in mapped.rejects[0].reason
    again[0]["properties"]["hs_timestamp"] = "2026-10-01T10:00:00Z"
    (record,) = MAP.apply("crm", "calls", again, NOW).records
    assert isinstance(record, Activity)
    assert (record.account_ref, record.contact_ref) == (None, one.contact_ref)


def warned(portal: Portal) -> list[Finding]:
    return [finding for finding in portal.crm.check() if finding.code == "missing_scope"]


def test_a_missing_scope_is_a_finding_and_stops_that_stream_only(portal: Portal) -> None:
    portal.do("token", token="pat-few", scopes=sorted(ALL_SCOPES - {"sales-email-read"}))
    portal.crm = portal.connect(token="pat-few", **ON)
    (finding,) = warned(portal)
    assert finding.severity == "warning"
    assert "emails (scope sales-email-read)" in finding.message
    assert "emails = true" in finding.advice
    assert stream(portal, "emails").optional
    with pytest.raises(MissingPermissionError, match="sales-email-read"):
        pulled(portal, "emails")
    assert pulled(portal, "calls")[-1].cursor
    portal.crm = portal.connect(token="pat-few", calls=True, meetings=True)
    assert not warned(portal)
