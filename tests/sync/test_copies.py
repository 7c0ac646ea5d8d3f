"""A request that lies in two sources counts once; contracts that name no price are no opinion; what became of tasks."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapping.schema import Activity, Subscription, SurveyResponse
from scoring.card import Scorecard
from scoring.engine import score
from sync import frames
from sync.overview import OwnTask, own_tasks
from sync.store import Page, PullEnd, Store
from tests.sync.frame_tables import ages, link, pulled, put, table
from tests.sync.states import DAY, HOUR, NOW, account, contact, ticket


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_state = Store.open(tmp_path / "state")
    put(with_state, account("A"), account("B"), contact("1", account_ref="A"))
    put(with_state, account("org", source="desk"))
    link(with_state, ("account", "desk", "org", "A"))
    yield with_state
    with_state.close()


def case(source_id: str, **values: Any) -> Any:
    return ticket(source_id, source="crm", **{"account_ref": "A", **values})


def asked(store: Store, as_of: datetime = NOW) -> list[tuple[str, str]]:
    return [(row["account"], row["status"]) for row in table(store, "ticket", as_of)]


# -- copies ---------------------------------------------------------------------------------------------------------


def test_a_copy_is_left_out_and_the_original_counts(store: Store) -> None:
    put(store, ticket("35", account_ref="org", status="pending"), case("c1", copy_of="35"), case("c2"))
    assert asked(store) == [("A", "open"), ("A", "pending")]


def test_a_copy_counts_where_nothing_has_the_original(store: Store) -> None:
    put(store, case("c1", copy_of="35"))
    assert asked(store) == [("A", "open")]


def test_an_original_that_is_only_spoken_of_does_not_count_as_there(store: Store) -> None:
    answer = SurveyResponse(
        source="desk",
        source_id="s",
        survey="csat",
        score=1,
        scale_min=0,
        scale_max=1,
        responded_at=NOW,
        ticket_ref="35",
    )
    put(store, answer, case("c1", copy_of="35"))
    assert asked(store) == [("A", "open")]


def test_an_id_of_the_same_source_is_no_original(store: Store) -> None:
    put(store, case("c1"), case("c2", copy_of="c1"))
    assert asked(store) == [("A", "open"), ("A", "open")]


def test_the_original_counts_even_where_it_cannot_be_placed(store: Store) -> None:
    """So the scores with copies are those without."""
    put(store, ticket("35", account_ref="unknown"), case("c1", copy_of="35"))
    assert asked(store) == []


def test_two_that_name_each_other_count_once(store: Store) -> None:
    put(store, ticket("35", account_ref="org", status="hold", copy_of="c1"), case("c1", copy_of="35"))
    assert asked(store) == [("A", "hold")]


def test_a_copy_of_a_copy_counts_where_the_last_original_is_not_there(store: Store) -> None:
    put(store, ticket("35", account_ref="org", status="hold", copy_of="never seen"), case("c1", copy_of="35"))
    assert asked(store) == [("A", "hold")]


def test_a_copy_does_not_come_to_life_when_the_original_is_thrown_away(store: Store) -> None:
    put(store, ticket("35", account_ref="org", status="pending"), case("c1", copy_of="35"))
    store.commit(Page("desk", "tickets", "ticket", deleted=["35"]), NOW + DAY)
    assert asked(store, NOW) == [("A", "pending")]
    assert asked(store, NOW + DAY) == []


def test_an_original_that_was_gone_before_we_came_is_known_to_have_been(store: Store) -> None:
    put(store, case("c1", copy_of="35"), case("c2", copy_of="36"))
    store.commit(Page("desk", "tickets", "ticket", deleted=["35"]), NOW + HOUR)
    assert asked(store, NOW) == [("A", "open"), ("A", "open")]
    assert asked(store, NOW + HOUR) == [("A", "open")]
    assert [record.source_id for record in store.records("ticket", source="desk")] == []


def test_a_ticket_gone_before_we_came_can_be_restored(store: Store) -> None:
    gone = Page("desk", "tickets", "ticket", deleted=["35"])
    assert store.commit(gone, NOW).deleted == 0
    put(store, ticket("35", account_ref="org", at=NOW + HOUR), now=NOW + HOUR)
    assert asked(store, NOW + HOUR) == [("A", "open")]
    assert store.rows("SELECT * FROM record_map") == []
    assert store.commit(gone, NOW + DAY).deleted == 1


def test_the_past_sees_the_originals_of_then(store: Store) -> None:
    put(store, case("c1", copy_of="35"))
    put(store, ticket("35", account_ref="org", status="pending"), now=NOW + HOUR)
    put(store, ticket("35", account_ref="org", status="hold", at=NOW + DAY), now=NOW + DAY)
    assert asked(store, NOW) == [("A", "open")]
    assert asked(store, NOW + HOUR) == [("A", "pending")]
    assert asked(store, NOW + DAY) == [("A", "hold")]


def test_the_past_sees_what_was_called_a_copy_then(store: Store) -> None:
    put(store, ticket("35", account_ref="org", status="pending"), case("c1", copy_of="35"))
    put(store, case("c1", at=NOW + DAY), now=NOW + DAY)
    assert asked(store, NOW) == [("A", "pending")]
    assert asked(store, NOW + DAY) == [("A", "open"), ("A", "pending")]


def test_without_copies_tickets_are_read_as_they_lie_there(store: Store) -> None:
    put(store, case("c1"))
    assert "NOT IN" not in frames.inputs(store, NOW, crm="crm").parts["part_ticket"].select
    put(store, case("c1", at=NOW + HOUR, copy_of="35"))
    assert "NOT IN" in frames.inputs(store, NOW, crm="crm").parts["part_ticket"].select


def test_looking_for_copies_reads_indexes_only(store: Store) -> None:
    put(store, case("c1", copy_of="35"))
    select = frames.inputs(store, NOW, crm="crm").parts["part_ticket"].select
    plan = [row[3] for row in store.rows(f"EXPLAIN QUERY PLAN {select}")]
    assert "SEARCH ticket USING INDEX ticket_copy (copy_of>?)" in plan
    assert any(step.startswith("SEARCH o USING INDEX") and "source_id=?" in step for step in plan)
    assert plan.count("SCAN ticket") == 1


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_counting_is_what_a_plain_loop_says(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store.open(tmp_path_factory.mktemp("s") / "state")
    ids = st.sampled_from([*"123", None])
    put(store, account("A"), account("org", source="desk"), account("org", source="chat"))
    link(store, ("account", "desk", "org", "A"), ("account", "chat", "org", "A"))
    held: dict[tuple[str, str], str | None] = {}
    for source in ("desk", "chat", "crm"):
        for source_id in data.draw(st.sets(st.sampled_from("123"))):
            held[source, source_id] = data.draw(ids) if source == "crm" else None
    for (source, source_id), copy_of in held.items():
        ref = "A" if source == "crm" else "org"
        put(store, ticket(source_id, source=source, account_ref=ref, copy_of=copy_of))
    originals = {source_id for source, source_id in held if source != "crm"}
    assert len(asked(store)) == sum(copy_of not in originals for copy_of in held.values())
    store.close()


@pytest.mark.parametrize("mirrored", [False, True])
def test_scores_with_copies_are_those_without(mirrored: bool, tmp_path: Path) -> None:  # noqa: FBT001 - the table above
    store = Store.open(tmp_path / "other")
    put(store, account("A"), account("org", source="desk"))
    link(store, ("account", "desk", "org", "A"))
    put(store, *(ticket(str(n), account_ref="org", priority="high", created_at=NOW - n * DAY) for n in range(9)))
    pulled(store, "desk", "tickets", "ticket", NOW)
    if mirrored:
        put(store, *(case(f"c{n}", copy_of=str(n), created_at=NOW - n * DAY) for n in range(9)))
        pulled(store, "crm", "cases", "ticket", NOW)
    given_ = frames.inputs(store, NOW, crm="crm")
    with store.released():
        (row,) = (row for row in score(Scorecard.load(), given_) if row.level == "account")
    assert row.features["open_tickets"] == 9
    store.close()


# -- contracts ------------------------------------------------------------------------------------------------------


def contract(source_id: str, source: str = "crm", **values: Any) -> Subscription:
    given = {"status": "Activated", "current_period_end": NOW + DAY, "account_ref": "A"} | values
    return Subscription(source=source, source_id=source_id, **given)


def test_contracts_that_name_no_price_and_no_end_are_no_billing(store: Store) -> None:
    put(store, contract("k1"), contract("k2", account_ref="B"))
    pulled(store, "crm", "contracts", "subscription", NOW)
    assert table(store, "subscription") == []
    assert ages(store, NOW) == {}
    assert [r.source_id for r in store.records("subscription")] == ["k1", "k2"]


@pytest.mark.parametrize("values", [{"mrr": 5}, {"cancel_at": NOW + DAY}])
def test_contracts_that_do_are(values: dict[str, Any], store: Store) -> None:
    put(store, contract("k1", **values), contract("k2", account_ref="B"))
    pulled(store, "crm", "contracts", "subscription", NOW)
    assert [row["account"] for row in table(store, "subscription")] == ["A", "B"]
    assert ages(store, NOW) == {("subscription", "crm"): 0}


def test_contracts_do_not_speak_for_the_billing_system(store: Store) -> None:
    put(store, contract("k1"), contract("s1", source="bill", account_ref="cus"))
    link(store, ("account", "desk", "org", "A"), ("account", "bill", "cus", "B"))
    pulled(store, "crm", "contracts", "subscription", NOW)
    store.pull_started("bill", "subscriptions", "subscription", NOW)
    store.pull_finished("bill", "subscriptions", "subscription", PullEnd(), NOW)
    assert [row["account"] for row in table(store, "subscription")] == ["B"]
    assert ages(store, NOW) == {("subscription", "bill"): 0}


# -- our tasks ------------------------------------------------------------------------------------------------------


def task(source_id: str, key: str | None, **values: Any) -> Activity:
    given = {"source": "crm", "activity": "task", "at": NOW, "account_ref": "A", "closed": False} | values
    return Activity(source_id=source_id, task_key=key, **given)


def test_what_became_of_our_tasks(store: Store) -> None:
    put(
        store,
        task("t1", "rescue-1", closed=True, at=NOW + HOUR),
        task("t2", "rescue-2"),
        task("t3", None, closed=True),
        task("t4", "rescue-1", account_ref="B"),
        task("t5", "rescue-9", source="desk"),
        task("t6", "check-1", at=NOW - DAY),
    )
    store.commit(Page("crm", "tasks", "activity", deleted=["t6"]), NOW + DAY)
    assert own_tasks(store, "crm", "A") == [
        OwnTask("check-1", closed=False, at=NOW + DAY, deleted=True),
        OwnTask("rescue-1", closed=True, at=NOW + HOUR),
        OwnTask("rescue-2", closed=False, at=NOW),
    ]
    assert own_tasks(store, "crm", "nobody") == []
    assert own_tasks(store, "other", "A") == []


def test_tasks_of_an_account_that_was_merged_away_are_the_winner_s(store: Store) -> None:
    put(store, task("t1", "rescue-1"), task("t2", "rescue-2", account_ref="B"))
    store.commit(Page("crm", "accounts", "account", merged={"A": "B"}), NOW + HOUR)
    assert {found.task_key for found in own_tasks(store, "crm", "B")} == {"rescue-1", "rescue-2"}


def test_a_task_that_was_opened_again_is_open(store: Store) -> None:
    put(store, task("t1", "rescue-1", closed=True))
    put(store, task("t1", "rescue-1", updated_at=NOW + DAY), now=NOW + DAY)
    assert own_tasks(store, "crm", "A") == [OwnTask("rescue-1", closed=False, at=NOW)]
