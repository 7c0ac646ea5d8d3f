"""Two agents on two state folders are noticed by the id that each leaves on the accounts it writes."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Value
from scoring.inputs import ScoreRow
from sync.diff import Known
from sync.heartbeat import SecondAgentError, agent_id, bind, only_agent, take_over
from sync.owned import AGENT, default_fields, owned_fields
from sync.store import Store

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
FIELDS = default_fields(["power"])
NAME, AT, SCORE = "holdfast_agent", "holdfast_scored_at", "holdfast_health_score"
OTHER = "0badcafe"
ROW = ScoreRow("account", 7, "1", "C", None, 38, 2, 250, 90, "red", (), "quiet", (), {})


def ours(store: Store, **says: Value) -> Known:
    wrote: dict[str, Value] = {NAME: agent_id(store), AT: NOW, SCORE: 38}
    return Known("C", {**wrote, **says}, wrote)


def known(*records: Known) -> dict[tuple[str, str], Known]:
    return {("account", str(number)): record for number, record in enumerate(records)}


def theirs(store: Store, at: datetime = NOW, score: int = 50) -> Known:
    says: dict[str, Value] = {NAME: OTHER, AT: at, SCORE: score}
    return ours(store, **says)


def test_the_id_is_drawn_once_and_differs_between_states(store: Store, tmp_path: Path) -> None:
    own = agent_id(store)
    assert re.fullmatch("[0-9a-f]{8}", own)
    assert agent_id(store) == own
    other = Store.open(tmp_path / "other")
    assert agent_id(other) != own
    other.close()
    reader = Store.open(tmp_path / "state", readonly=True)
    assert agent_id(reader) == own
    reader.close()


def test_a_state_that_is_only_read_gets_no_id(tmp_path: Path) -> None:
    Store.open(tmp_path / "state").close()
    reader = Store.open(tmp_path / "state", readonly=True)
    assert agent_id(reader) == ""
    reader.close()


def test_the_field_carries_the_id() -> None:
    field = next(field for field in bind(FIELDS, "12345678") if field.logical == AGENT)
    assert field.value(ROW, NOW) == "12345678"
    assert not field.moves_alone
    assert next(field for field in FIELDS if field.logical == AGENT).value(ROW, NOW) is None


def test_alone_nothing_is_said(store: Store) -> None:
    records = known(ours(store), Known("C", {NAME: OTHER}, {}), Known("C", {NAME: OTHER}, {NAME: OTHER}))
    assert only_agent(store, records, FIELDS) == records


@pytest.mark.parametrize("says", ["", None, "Dana", "0BADCAFE", 7, "0badcafe0"])
def test_what_a_person_writes_there_is_no_agent(store: Store, says: Value) -> None:
    records = known(ours(store, **{NAME: says}))
    assert only_agent(store, records, FIELDS) == records


def test_another_agent_is_named_with_how_many_and_since_when(store: Store) -> None:
    records = known(theirs(store), theirs(store, NOW - timedelta(hours=2)), ours(store), ours(store, **{NAME: "f" * 8}))
    with pytest.raises(SecondAgentError) as caught:
        only_agent(store, records, FIELDS)
    error = caught.value
    assert (error.agent, error.records, error.since) == (OTHER, 2, NOW - timedelta(hours=2))
    for part in (OTHER, agent_id(store), "2 accounts", "2026-11-01 04:00 UTC", "holdfast edits release account.agent"):
        assert part in str(error)


def test_one_account_without_a_time_is_enough(store: Store) -> None:
    fields = owned_fields(["power"], {"account.scored_at": ""})
    with pytest.raises(SecondAgentError, match="1 account that") as caught:
        only_agent(store, known(theirs(store)), fields)
    assert caught.value.since is None


def test_switched_off_it_notices_nothing(store: Store) -> None:
    records = known(theirs(store))
    assert only_agent(store, records, owned_fields(["power"], {AGENT: ""})) == records


def test_whoever_takes_over_inherits_what_the_other_wrote_until_it_writes_again(store: Store) -> None:
    take_over(store, NOW + timedelta(hours=1))
    (record,) = only_agent(store, known(theirs(store)), FIELDS).values()
    assert record.written[SCORE] == 50, "what the other agent wrote is no person's edit"
    (record,) = only_agent(store, known(ours(store, **{SCORE: 80})), FIELDS).values()
    assert record.written[SCORE] == 38, "a person's edit stays one"
    with pytest.raises(SecondAgentError):
        only_agent(store, known(theirs(store, NOW + timedelta(hours=2))), FIELDS)


def test_after_taking_over_a_time_that_nobody_knows_is_not_held_against_it(store: Store) -> None:
    take_over(store, NOW)
    fields = owned_fields(["power"], {"account.scored_at": ""})
    assert only_agent(store, known(theirs(store)), fields)
