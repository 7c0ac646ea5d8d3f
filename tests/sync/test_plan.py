"""A plan is desired minus current: a frozen value that survives its file, and cannot be changed unnoticed."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Value
from connectors.registry import VENDORS
from scoring.inputs import Band, Level, ScoreRow
from sync.diff import Known, build_records
from sync.owned import OwnedFieldError, default_fields, owned_fields
from sync.plan import HumanEdit, Plan, PlanError, RecordChange, TaskChange, derive_key
from sync.plan_file import PlanFile

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
LATER = datetime(2026, 11, 1, 7, tzinfo=UTC)
FIELDS = default_fields(["power", "dormant"])


def row(
    crm_id: str = "1", score: int | None = 38, band: Band = "red", *, level: Level = "account", reason: str = "quiet"
) -> ScoreRow:
    return ScoreRow(level, 7, crm_id, f"Customer {crm_id}", None, score, 2, 250, 90, band, (), reason, (), {})


def current(values: dict[str, Value], written: dict[str, Value] | None = None) -> Known:
    return Known("Customer", values, written or {})


def plan_of(rows: list[ScoreRow], known: dict[tuple[str, str], Known]) -> tuple[list[RecordChange], list[HumanEdit]]:
    return build_records(rows, known, FIELDS, NOW, "keep")


def after(record: RecordChange) -> dict[str, Value]:
    return {change.field: change.after for change in record.fields}


def test_an_empty_record_gets_every_field_that_has_a_value() -> None:
    records, kept = plan_of([row()], {("account", "1"): current({})})
    assert after(records[0]) == {
        "holdfast_health_score": 38,
        "holdfast_health": 2,
        "holdfast_health_band": "red",
        "holdfast_health_reason": "quiet",
        "holdfast_health_coverage": 90,
        "holdfast_scored_at": NOW,
    }
    assert not kept
    assert records[0].why == "quiet"


def test_what_the_crm_says_already_is_not_planned_again() -> None:
    first, _ = plan_of([row()], {("account", "1"): current({})})
    said = after(first[0])
    assert plan_of([row()], {("account", "1"): current(said, said)}) == ([], [])


def test_scored_at_moves_only_when_something_else_moves() -> None:
    first, _ = plan_of([row()], {("account", "1"): current({})})
    said = after(first[0])
    assert build_records([row()], {("account", "1"): current(said)}, FIELDS, LATER, "keep")[0] == []
    moved, _ = build_records([row(score=39)], {("account", "1"): current(said)}, FIELDS, LATER, "keep")
    assert {change.field: (change.before, change.after) for change in moved[0].fields} == {
        "holdfast_health_score": (38, 39),
        "holdfast_scored_at": (NOW, LATER),
    }


def test_an_unknown_score_empties_the_field() -> None:
    known = {("account", "1"): current({"holdfast_health_score": 38, "holdfast_health_band": "red"})}
    records, _ = plan_of([row(score=None, band="unknown")], known)
    assert after(records[0])["holdfast_health_score"] is None
    assert after(records[0])["holdfast_health_band"] == "unknown"


def test_a_persons_edit_stays_and_is_listed() -> None:
    said: dict[str, Value] = {"holdfast_health_score": 80}
    wrote: dict[str, Value] = {"holdfast_health_score": 38}
    records, kept = plan_of([row(score=40)], {("account", "1"): current(said, wrote)})
    assert kept == [HumanEdit("account", "1", "Customer", "holdfast_health_score", 38, 80, 40)]
    assert "holdfast_health_score" not in after(records[0])


def test_a_persons_edit_is_overwritten_when_the_admin_says_so() -> None:
    known = {("account", "1"): current({"holdfast_health_score": 80}, {"holdfast_health_score": 38})}
    records, kept = build_records([row(score=40)], known, FIELDS, NOW, "overwrite")
    assert after(records[0])["holdfast_health_score"] == 40
    assert not kept


def test_an_emptied_field_is_filled_again() -> None:
    records, kept = plan_of([row()], {("account", "1"): current({}, {"holdfast_health_score": 38})})
    assert after(records[0])["holdfast_health_score"] == 38
    assert not kept


def test_records_the_crm_no_longer_has_are_left_out() -> None:
    assert plan_of([row("gone")], {}) == ([], [])


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 100), min_size=1, max_size=20))
def test_the_order_of_scores_does_not_matter(rng: random.Random, scores: list[int]) -> None:
    rows = [row(str(number), score) for number, score in enumerate(scores)]
    known = {("account", str(number)): current({}) for number in range(len(scores))}
    shuffled = rows.copy()
    rng.shuffle(shuffled)
    assert plan_of(rows, known) == plan_of(shuffled, known)


def test_worst_first_then_contacts() -> None:
    rows = [row("9", 10, level="contact"), row("2", 70), row("3", None), row("1", 20)]
    known = {("contact" if item.level == "contact" else "account", item.crm_id): current({}) for item in rows}
    assert [record.record_id for record in plan_of(rows, known)[0]] == ["1", "2", "3", "9"]


def test_contacts_of_one_account_go_together() -> None:
    home = {"8": "b", "7": "a", "6": "b", "5": "a"}
    rows = [row(crm_id, score, level="contact") for crm_id, score in (("8", 10), ("7", 20), ("6", 30), ("5", 40))]
    known = {("contact", item.crm_id): replace(current({}), account_id=home[item.crm_id]) for item in rows}
    assert [record.record_id for record in plan_of(rows, known)[0]] == ["7", "5", "8", "6"]


def test_a_score_that_comes_from_the_account_says_so_and_why() -> None:
    fields = owned_fields([], {}, wanted=["contact.account_score"])
    why = "from the account Acme, 20: no login for 41 days"
    person = row("9", 10, level="contact")._replace(features={"account_score": 20, "account_reason": why})
    own: dict[str, Value] = {"holdfast_engagement": 10}
    reasons = [
        [one.why for one in build_records([one], {("contact", "9"): current(says)}, fields, NOW, "keep")[0]]
        for one, says in [
            (person, own),
            (person, {}),
            (row("9", 10, level="contact"), own | {"holdfast_account_score": 7}),
        ]
    ]
    gone = "the score of the account is written on this person no longer"
    assert reasons == [[why], [f"quiet; {why}"], [gone]]


def test_fields_are_called_what_the_crm_wants() -> None:
    names = {field.logical: field.spec.name for field in owned_fields(["power"], {}, VENDORS["salesforce"].own_field)}
    assert names["account.health_score"] == "Holdfast_Health_Score__c"
    assert names["contact.segments"] == "Holdfast_Contact_Segments__c"
    mine = {field.logical: field.spec.name for field in owned_fields(["power"], {}, VENDORS["hubspot"].own_field)}
    assert mine["contact.segments"] == "holdfast_contact_segments"
    assert mine.keys() == names.keys()


def test_renamed_and_switched_off_fields() -> None:
    fields = owned_fields(["power"], {"account.health_score": "csm_health", "account.health": ""})
    names = [field.spec.name for field in fields]
    assert "csm_health" in names
    assert "holdfast_health" not in names
    with pytest.raises(OwnedFieldError, match=r"account\.helth"):
        owned_fields([], {"account.helth": "x"})


def a_plan() -> Plan:
    records, _ = plan_of([row()], {("account", "1"): current({"holdfast_health_score": 12})})
    task = TaskChange(
        "k1", "1", "Ünïcode <b> & Co", "rescue", "Call them", "Why: quiet", LATER, "high", "5", "Dana", "r"
    )
    edit = HumanEdit("account", "2", "Other", "holdfast_segments", ("a", "b"), ("c",), None)
    return Plan(NOW, "hubspot:STANDARD:1", "c0ffee", tuple(records), (task,), (edit,), 4, ("a note",))


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = a_plan()
    path = tmp_path / "new" / "a.plan"
    PlanFile(plan).save(path)
    assert PlanFile.load(path).plan == plan
    assert PlanFile.load(path).plan.hash == plan.hash
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.data())
def test_any_change_to_the_file_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("plans") / "a.plan"
    PlanFile(a_plan()).save(path)
    text = path.read_text(encoding="utf-8")
    at = data.draw(st.integers(0, len(text) - 2).filter(lambda place: text[place] != "\n"))
    letter = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda new: new != text[at]))
    path.write_text(text[:at] + letter + text[at + 1 :], encoding="utf-8")
    with pytest.raises(PlanError, match=r"a\.plan"):
        PlanFile.load(path)


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"hash": "x"}\n{"format": "other"}\n', "[]\n[]\n"])
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.plan"
    path.write_text(content)
    with pytest.raises(PlanError, match=r"bad\.plan"):
        PlanFile.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        PlanFile.load(tmp_path / "none.plan")


def test_keys_are_derived_from_the_effect() -> None:
    change = a_plan().records[0]
    assert change.as_change("env").key == change.as_change("env").key
    assert change.as_change("env").key != change.as_change("other").key
    assert derive_key("e", "task", "x") != derive_key("e", "task", "y")
