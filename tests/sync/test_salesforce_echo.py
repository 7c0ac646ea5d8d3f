"""What Salesforce makes of what we wrote: other forms of the same, what flows make of it, and what arrives late."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sync import budget
from sync.ledger import HOLD_OFF
from sync.plan import Plan
from sync.run_report import RunReport
from tests.sync.salesforce_desk import NOW, Crash, Desk, card, copied

SCORE = "Holdfast_Health_Score__c"
BAND = "Holdfast_Health_Band__c"
REASON = "Holdfast_Health_Reason__c"
SEGMENTS = "Holdfast_Segments__c"
SCORED_AT = "Holdfast_Scored_At__c"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of an agent that has read everything and written nothing."""
    desk = Desk(tmp_path_factory.mktemp("echo"))
    desk.preview()
    return desk.folder


@pytest.fixture
def desk(start: Path, tmp_path: Path) -> Desk:
    return copied(start, tmp_path, NOW)


def ran(desk: Desk) -> tuple[RunReport, Plan]:
    """One run that ends, and its plan."""
    report = desk.run()
    assert report is not None
    assert report.plan is not None
    assert report.halted is None
    return report, report.plan


def later(desk: Desk) -> Plan:
    """What the run an hour later plans."""
    desk.box.clock.advance(timedelta(hours=1))
    return ran(desk)[1]


def told(plan: Plan) -> list[str]:
    """What the plan says of flows; a customer in red who is nobody's has a word of its own."""
    return [note for note in plan.notes if not note.startswith("Red and nobody's")]


def test_the_forms_that_salesforce_gives_our_values_are_no_changes(desk: Desk) -> None:
    """Numbers as 20.0, instants without fractions, choices in the order of the field, texts without outer spaces."""
    names = sorted(card().segment_names())
    desk.do("change_field", object="Account", field=SEGMENTS, changes={"values": names[::-1]})
    desk.rows = [row._replace(reason=f"  {row.reason[:240]} ", segments=tuple(names)) for row in desk.rows]
    desk.box.clock.advance(timedelta(microseconds=123_456))
    report, _ = ran(desk)
    assert set(report.endings) == {"confirmed"}
    there = desk.records("account", SEGMENTS, REASON)[desk.rows[0].crm_id]
    assert there == {SEGMENTS: ";".join(names[::-1]), REASON: desk.rows[0].reason.strip()}
    plan = later(desk)
    assert plan.empty
    assert not plan.kept


def test_values_of_every_type_that_an_admin_may_choose(desk: Desk) -> None:
    """Our fields under an admin's own definitions: a longer text, a percent, a restricted list in other order."""
    desk.do("change_field", object="Account", field=REASON, changes={"type": "textarea", "length": 32_768})
    desk.do("change_field", object="Account", field=SCORE, changes={"scale": 6})
    values = ["unknown", "red", "yellow", "green"]
    desk.do("change_field", object="Account", field=BAND, changes={"restricted": True, "values": values})
    desk.rows = [row._replace(reason="One\nTwo; “three”, #N/A") for row in desk.rows]
    ran(desk)
    assert not desk.wrong()
    plan = later(desk)
    assert plan.empty
    assert not plan.kept


@pytest.mark.parametrize("delay", [0, 90])
@pytest.mark.parametrize(
    ("field", "value"), [(SCORE, 50.0), (BAND, "RED"), (REASON, "See the account plan"), (SEGMENTS, "x")]
)
def test_what_a_flow_makes_of_our_field_is_left_and_said_once_for_all(
    desk: Desk, field: str, value: Any, delay: int
) -> None:
    desk.do("flow", object="Account", when=SCORE, set=field, value=value, delay=delay)
    ran(desk)
    first, second = later(desk), later(desk)
    assert second.empty
    for plan in (first, second):
        assert {edit.field for edit in plan.kept} == {field}
        (note,) = told(plan)
        assert note.startswith(f"{field}: {len(plan.kept)} of the {len(plan.kept)} values that we wrote")
        assert "rather a flow, another integration" in note
    assert len(first.kept) == len(second.kept) > 5


def test_people_s_edits_are_no_flow(desk: Desk) -> None:
    ran(desk)
    for row in desk.rows[:3]:
        desk.do("edit", id=row.crm_id, values={SCORE: 1.0})
    plan = later(desk)
    assert len(plan.kept) == 3
    assert not told(plan)


def test_a_flow_that_empties_our_field_meets_us_every_run_and_is_said(desk: Desk) -> None:
    desk.do("flow", object="Account", when=SCORE, set=SCORE, value=None)
    ran(desk)
    for _ in range(2):
        plan = later(desk)
        assert {change.field for record in plan.records for change in record.fields} == {SCORE, SCORED_AT}
        (note,) = told(plan)
        assert "emptied, and are written again" in note


def test_a_flow_that_sets_when_we_scored_starts_nothing(desk: Desk) -> None:
    desk.do("flow", object="Account", when=SCORE, set=SCORED_AT, value="2020-01-01T00:00:00+00:00")
    ran(desk)
    plan = later(desk)
    assert plan.empty
    assert not plan.kept


def test_a_flow_of_another_field_starts_nothing(desk: Desk) -> None:
    desk.do("flow", object="Account", when=SCORE, set="Name", value="Renamed")
    ran(desk)
    assert later(desk).empty


def test_a_bulk_job_that_goes_on_after_a_crash_is_not_taken_for_people(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("salesforce", "salesforce_write", "salesforce_send"):
        monkeypatch.setattr(f"connectors.{module}.BATCH", 4)
    monkeypatch.setattr(budget, "BULK_JOB_CALLS", 2)
    monkeypatch.setattr(budget.Budget, "check", lambda _: None)
    monkeypatch.setattr(budget, "fitting", lambda whole, *_, **__: (whole, ()))
    desk = copied(start, tmp_path, NOW, share=0.0001)
    desk.do("options", bulk_seconds_per_10k=900.0)

    def crash() -> None:
        raise Crash

    def disturb() -> None:
        desk.wire.after[13] = crash  # the tasks are made, and the job of the accounts has just been closed

    assert desk.run(disturb) is None
    desk.share = 0.1
    assert ran(desk)[0].endings["in_doubt"] == len(desk.records("account", SCORE)), "the accounts wait"
    desk.box.clock.sleep(HOLD_OFF.total_seconds())
    old = {row.crm_id: row.score for row in desk.rows}
    desk.rows = [row._replace(score=(row.score or 0) + 30) for row in desk.rows]
    report, _ = ran(desk)
    assert set(report.endings) == {"confirmed"}
    desk.box.clock.advance(timedelta(minutes=30))
    late = {record_id: row[SCORE] for record_id, row in desk.records("account", SCORE).items()}
    assert late == {record_id: old[record_id] for record_id in late}, "the job has written over the newer scores"
    report, plan = ran(desk)
    assert Counter(record.object for record in plan.records)["account"] == len(late)
    assert not plan.kept
    assert not desk.wrong()
    assert later(desk).empty
