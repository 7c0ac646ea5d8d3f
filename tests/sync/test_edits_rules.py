"""What becomes of a field that somebody else changed: each rule, each decision, and what goes along."""

from datetime import UTC, datetime

import pytest

from connectors.base import Value
from scoring.inputs import Band, ScoreRow
from sync.diff import Known, build_records, sweeps
from sync.edits import EVERY, Answer, Parked, Rules
from sync.owned import default_fields
from sync.plan import HumanEdit, RecordChange
from sync.policy import HumanEdits
from sync.undone import Place

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
OLD = datetime(2026, 10, 1, 6, tzinfo=UTC)
FIELDS = default_fields(["power"])
SCORE, BAND, REASON, AT, AGENT = (
    "holdfast_health_score",
    "holdfast_health_band",
    "holdfast_health_reason",
    "holdfast_scored_at",
    "holdfast_agent",
)
SAID: dict[str, Value] = {
    SCORE: 38,
    BAND: "red",
    REASON: "quiet",
    "holdfast_health": 2,
    "holdfast_health_coverage": 90,
    AT: OLD,
}
"""What the CRM says when it says all that the row below wants."""


def row(score: int | None = 38, band: Band = "red", reason: str = "quiet") -> ScoreRow:
    return ScoreRow("account", 7, "1", "Customer", None, score, 2, 250, 90, band, (), reason, (), {})


def place(name: str, record_id: str = "1") -> Place:
    return ("account", record_id, name)


def compared(
    rules: Rules | HumanEdits,
    *,
    says: dict[str, Value] | None = None,
    wrote: dict[str, Value] | None = None,
    want: ScoreRow | None = None,
) -> tuple[dict[str, Value], list[HumanEdit]]:
    """What is written on the one record, and what is left alone."""
    known = Known("Customer", {**SAID, **(says or {})}, {**SAID, **(wrote or {})})
    records, kept = build_records([want or row()], {("account", "1"): known}, FIELDS, NOW, rules)
    return {change.field: change.after for record in records for change in record.fields}, kept


@pytest.mark.parametrize(
    ("rule", "theirs", "written", "why"),
    [
        ("keep", 80, False, "human"),
        ("keep", None, True, None),
        ("ask", 80, False, "ask"),
        ("ask", None, False, "ask"),
        ("overwrite", 80, True, None),
        ("overwrite", None, True, None),
    ],
)
@pytest.mark.parametrize("by_field", [False, True])
def test_each_rule(rule: HumanEdits, theirs: Value, why: str | None, *, written: bool, by_field: bool) -> None:
    other: HumanEdits = "overwrite" if rule != "overwrite" else "keep"
    rules = Rules(other, {"account.health_score": rule}) if by_field else Rules(rule)
    changes, kept = compared(rules, says={SCORE: theirs})
    assert (SCORE in changes) == written
    assert [(edit.field, edit.ours, edit.theirs, edit.wanted, edit.why) for edit in kept] == (
        [(SCORE, 38, theirs, 38, why)] if why else []
    )


def test_what_was_never_written_is_no_edit() -> None:
    known = Known("Customer", {**SAID, SCORE: 80}, {})
    for rule in ("keep", "ask"):
        records, kept = build_records([row()], {("account", "1"): known}, FIELDS, NOW, Rules(rule))
        assert [change.after for change in records[0].fields if change.field == SCORE] == [38]
        assert not kept


def test_what_was_written_before_us_is_theirs_once_the_first_fill_is_over() -> None:
    known = Known("Customer", {SCORE: 80}, {}, filled_over=False)
    records, kept = build_records([row()], {("account", "1"): known}, FIELDS, NOW, Rules("keep"))
    assert SCORE not in {change.field for change in records[0].fields}
    assert [(edit.field, edit.ours, edit.theirs, edit.wanted, edit.why) for edit in kept] == [
        (SCORE, None, 80, 38, "human")
    ]


def test_a_field_that_we_left_empty_is_theirs_once_they_fill_it() -> None:
    """A score that is not known is never written: who types one in next to our band means it."""
    left_empty = {name: value for name, value in SAID.items() if name != SCORE}
    known = Known("Customer", {**left_empty, SCORE: 80}, left_empty)
    for rule in ("keep", "ask"):
        records, kept = build_records([row(None, "unknown")], {("account", "1"): known}, FIELDS, NOW, Rules(rule))
        assert SCORE not in {change.field for record in records for change in record.fields}
        assert [(edit.ours, edit.theirs, edit.why) for edit in kept if edit.field == SCORE] == [
            (None, 80, "human" if rule == "keep" else "ask")
        ]


def test_a_person_who_agrees_is_no_conflict() -> None:
    changes, kept = compared("ask", says={SCORE: 41}, want=row(41))
    assert not kept
    assert SCORE not in changes


@pytest.mark.parametrize(
    ("choice", "rule", "written", "why"),
    [("ours", "ask", True, None), ("ours", "keep", True, None), ("theirs", "ask", False, "human")],
)
def test_an_answer_is_followed_while_the_value_stands(
    choice: str, rule: HumanEdits, why: str | None, *, written: bool
) -> None:
    answer = Answer("ours" if choice == "ours" else "theirs", 80)
    rules = Rules(rule, answers={place(SCORE): answer})
    changes, kept = compared(rules, says={SCORE: 80})
    assert (SCORE in changes) == written
    assert [edit.why for edit in kept] == ([why] if why else [])
    _, again = compared(rules, says={SCORE: 81})
    assert [edit.why for edit in again] == ["ask" if rule == "ask" else "human"]


@pytest.mark.parametrize("record", ["1", EVERY])
@pytest.mark.parametrize("rule", ["keep", "overwrite"])
def test_a_parked_field_is_not_written_and_listed(record: str, rule: HumanEdits) -> None:
    parked = Parked("account", record, SCORE, OLD, "why", 3)
    rules = Rules(rule, parked={place(SCORE, record): parked}, answers={place(SCORE): Answer("ours", None)})
    changes, kept = compared(rules, says={SCORE: None}, want=row(40, "yellow"))
    assert SCORE not in changes
    assert changes[BAND] == "yellow"
    assert [(edit.field, edit.why) for edit in kept] == [(SCORE, "parked")]
    assert compared(Rules(parked={place(SCORE, "2"): parked}), want=row(40))[0][SCORE] == 40


def test_the_undone_value_is_not_written_again_but_another_is() -> None:
    """The run wrote 38 and red; the undo put 60 and green back."""
    back: dict[str, Value] = {SCORE: 60, BAND: "green"}
    rules = Rules(undone={place(SCORE): 38, place(BAND): "red"})
    changes, kept = compared(rules, says=back, wrote=back)
    assert not changes
    assert {(edit.field, edit.theirs, edit.wanted, edit.why) for edit in kept} == {
        (SCORE, 60, 38, "undone"),
        (BAND, "green", "red", "undone"),
    }
    changes, kept = compared(rules, says=back, wrote=back, want=row(41))
    assert (changes[SCORE], BAND in changes) == (41, False)
    assert [edit.field for edit in kept] == [BAND]


def test_an_undone_text_waits_until_the_rest_of_the_record_moves() -> None:
    back: dict[str, Value] = {SCORE: 60, REASON: "fine"}
    rules = Rules(undone={place(SCORE): 38, place(REASON): "quiet"})
    changes, kept = compared(rules, says=back, wrote=back, want=row(reason="quieter"))
    assert not changes
    assert {edit.field for edit in kept} == {SCORE, REASON}
    changes, _ = compared(rules, says=back, wrote=back, want=row(41, reason="quieter"))
    assert (changes[SCORE], changes[REASON]) == (41, "quieter")


def test_a_text_undone_alone_is_written_when_it_changes() -> None:
    rules = Rules(undone={place(REASON): "quiet"})
    back: dict[str, Value] = {REASON: "fine"}
    assert compared(rules, says=back, wrote=back)[0] == {}
    assert compared(rules, says=back, wrote=back, want=row(reason="louder"))[0][REASON] == "louder"


def test_an_answer_lifts_an_undo() -> None:
    rules = Rules(undone={place(SCORE): 38}, answers={place(SCORE): Answer("ours", 60)})
    assert compared(rules, says={SCORE: 60}, wrote={SCORE: 60})[0][SCORE] == 38


def test_a_follower_that_a_person_set_stays_and_is_listed_only_when_it_would_be_written() -> None:
    theirs = datetime(2020, 1, 1, tzinfo=UTC)
    assert compared("keep", says={AT: theirs}) == ({}, [])
    changes, kept = compared("keep", says={AT: theirs}, want=row(40))
    assert set(changes) == {SCORE}
    assert [(edit.field, edit.theirs, edit.why) for edit in kept] == [(AT, theirs, "human")]
    changes, kept = compared("keep", want=row(40))
    assert (changes[AT], kept) == (NOW, [])


def test_a_follower_goes_along_whatever_was_undone() -> None:
    rules = Rules(undone={place(AT): NOW, place(AGENT): "0123abcd"})
    assert compared(rules, want=row(40))[0][AT] == NOW


def test_only_what_people_or_flows_changed_counts_as_a_sweep() -> None:
    written = {("account", str(n)): SAID for n in range(6)}

    def notes(why: str) -> list[str]:
        edits = [HumanEdit("account", str(n), "C", SCORE, 38, 80, 38, why) for n in range(6)]  # type: ignore[arg-type]  # the words below
        return list(sweeps(list[RecordChange](), edits, written))

    assert len(notes("human")) == len(notes("ask")) == 1
    assert notes("undone") == notes("parked") == []
