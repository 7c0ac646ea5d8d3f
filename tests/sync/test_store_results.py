"""What is kept beside the records: links, review list, scores, quarantine, stream status, what the CRM says."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mapping.links import Link, LinkKind, Resolution, Review
from mapping.mapped import Reject
from scoring.inputs import Band, Level, ScoreRow, SignalPoints
from sync import streams
from sync.store import Counts, Page, PullEnd, Store
from tests.sync.states import DAY, HOUR, NOW, account, contact, dump


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_state = Store.open(tmp_path / "state")
    with_state.commit(Page("crm", "companies", "account", [account("A"), account("B")]), NOW)
    with_state.commit(Page("crm", "people", "contact", [contact("1"), contact("2")]), NOW)
    with_state.commit(Page("desk", "orgs", "account", [account("o", source="desk")]), NOW)
    with_state.commit(Page("desk", "users", "contact", [contact(i, source="desk") for i in "uvw"]), NOW)
    yield with_state
    with_state.close()


# -- links ----------------------------------------------------------------------------------------------------------


def link(kind: LinkKind, source_id: str, crm_id: str, rule: str = "email") -> Link:
    return Link(kind, "desk", source_id, crm_id, rule, "evidence", 90)


FIRST = [link("account", "o", "A"), link("contact", "u", "1"), link("home", "v", "B")]


def links(store: Store) -> set[tuple[str, str, str]]:
    return set(store.rows("SELECT kind, source_id, crm_id FROM latest_link"))


def test_links_are_kept_and_shown(store: Store) -> None:
    assert store.save_links(Resolution(FIRST), NOW, crm="crm") == Counts(new=3)
    assert links(store) == {("account", "o", "A"), ("contact", "u", "1"), ("home", "v", "B")}


def test_links_that_stay_are_not_written_again(store: Store) -> None:
    store.save_links(Resolution(FIRST), NOW, crm="crm")
    before = dump(store)
    assert store.save_links(Resolution(list(reversed(FIRST))), NOW + DAY, crm="crm") == Counts(unchanged=3)
    assert dump(store) == before


def test_links_that_move_or_end_leave_a_history(store: Store) -> None:
    store.save_links(Resolution(FIRST), NOW, crm="crm")
    moved = [FIRST[0], link("contact", "u", "2"), link("contact", "w", "1")]
    assert store.save_links(Resolution(moved), NOW + HOUR, crm="crm") == Counts(
        new=1, changed=1, unchanged=1, deleted=1
    )
    assert links(store) == {("account", "o", "A"), ("contact", "u", "2"), ("contact", "w", "1")}
    past = store.rows("SELECT kind, valid_from, valid_to FROM link_history ORDER BY kind")
    hour = int((NOW + HOUR).timestamp())
    assert past == [("contact", hour - 3600, hour), ("home", hour - 3600, hour)]


def test_a_rule_or_confidence_that_changes_is_a_change(store: Store) -> None:
    store.save_links(Resolution(FIRST), NOW, crm="crm")
    other = [*FIRST[:1], link("contact", "u", "1", rule="pinned"), FIRST[2]]
    assert store.save_links(Resolution(other), NOW + HOUR, crm="crm").changed == 1


def test_a_link_to_what_is_not_there_is_counted_and_left_out(store: Store) -> None:
    lost = [link("contact", "u", "999"), link("contact", "nobody", "1")]
    assert store.save_links(Resolution(lost), NOW, crm="crm") == Counts(rejected=2)


def test_the_review_list_remembers_since_when(store: Store) -> None:
    items = [Review("contact", "desk", i, "email", ("1", "2"), "two contacts") for i in "uv"]
    store.save_links(Resolution([], items), NOW, crm="crm")
    store.save_links(Resolution([], items[:1]), NOW + DAY, crm="crm")
    rows = store.rows("SELECT source_id, candidates, affected, first_seen FROM review")
    assert rows == [("u", '["1","2"]', 1, int(NOW.timestamp()))]


# -- scores ---------------------------------------------------------------------------------------------------------


def score(
    key: int, value: int | None = 70, *, level: Level = "account", band: Band = "green", login: int = 1
) -> ScoreRow:
    signals = (SignalPoints("login", 400, 25, login), SignalPoints("payment", None, 0, None))
    return ScoreRow(
        level, key, f"id{key}", "Åcme", None, value, 4, 380, 80, band, ("a", "b"), "why", signals, {"login": login}
    )._replace(card="SaaS", computed="red", held="override green", rule="payment", trend=-12)


def test_scores_come_back_but_for_features_and_the_parts_of_contacts(store: Store) -> None:
    rows = [score(1), score(2, None, band="unknown"), score(1, level="contact")]
    assert store.save_scores(7, iter(rows), NOW) == Counts(new=3)
    kept = [row._replace(features={}, signals=() if row.level == "contact" else row.signals) for row in rows]
    assert list(store.latest_scores()) == kept
    assert [row.level for row in store.latest_scores("contact")] == ["contact"]
    assert store.rows("SELECT crm_id, run_id FROM latest_score WHERE level = 'contact'") == [("id1", 7)]


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ('["login",400,25,3,80,"new",{"of":1}]', SignalPoints("login", 400, 25, 3, 80)),
        ('["login",400,25,3]', SignalPoints("login", 400, 25, 3)),
        ('["login",400]', SignalPoints("login", 400, 0, None)),
    ],
)
def test_signals_that_another_version_kept_are_read_as_far_as_they_go(
    stored: str, read: SignalPoints, store: Store
) -> None:
    store.save_scores(1, [score(1)], NOW)
    with store.transaction() as conn:
        conn.execute("UPDATE score SET signals = ?", (f"[{stored}]",))
    assert next(store.latest_scores()).signals == (read,)


def test_a_score_gets_a_history_only_when_it_says_something_else(store: Store) -> None:
    store.save_scores(1, [score(1), score(2)], NOW)
    assert store.save_scores(2, [score(1, login=2), score(2)], NOW + HOUR) == Counts(unchanged=2)
    assert store.rows("SELECT count(*) FROM score_history") == [(0,)]
    assert next(store.latest_scores()).signals[0].value == 2
    assert store.save_scores(3, [score(1, 30, band="red"), score(2)], NOW + DAY) == Counts(changed=1, unchanged=1)
    (row,) = store.rows("SELECT score, band, valid_from, valid_to, run_id FROM score_history")
    assert row == (70, "green", int(NOW.timestamp()), int((NOW + DAY).timestamp()), 1)
    assert store.rows("SELECT run_id FROM score ORDER BY key") == [(3,), (1,)]


def test_what_is_no_longer_scored_moves_into_the_history(store: Store) -> None:
    store.save_scores(1, [score(1), score(2)], NOW)
    assert store.save_scores(2, [score(2)], NOW + HOUR) == Counts(unchanged=1, deleted=1)
    assert [row.key for row in store.latest_scores()] == [2]
    assert store.rows("SELECT key FROM score_history") == [(1,)]


def test_a_second_run_of_the_same_second_leaves_no_trace_of_the_first(store: Store) -> None:
    store.save_scores(1, [score(1, 70), score(2)], NOW)
    store.save_scores(2, [score(1, 60)], NOW)
    assert store.rows("SELECT count(*) FROM score_history") == [(0,)]


def test_many_scores_are_written_in_parts(store: Store) -> None:
    rows = [score(key, level=level) for level in ("account", "contact") for key in range(3000)]
    assert store.save_scores(1, rows, NOW) == Counts(new=6000)
    assert store.save_scores(2, rows, NOW + HOUR) == Counts(unchanged=6000)


# -- quarantine -----------------------------------------------------------------------------------------------------


def reject(source_id: str | None, reason: str = "amount: 'x' is no number") -> Reject:
    return Reject("crm", "people", source_id, reason, '{"id":1}')


def test_rejected_rows_are_kept_and_counted(store: Store) -> None:
    for hours in (0, 1):
        page = Page("crm", "people", "contact", rejects=[reject("7"), reject(None)])
        assert store.commit(page, NOW + hours * HOUR) == Counts(rejected=2)
    kept = store.quarantine()
    assert {(q.source_id, q.times, q.first_seen, q.last_seen) for q in kept} == {
        ("7", 2, NOW, NOW + HOUR),
        ("", 2, NOW, NOW + HOUR),
    }
    assert kept[0].reason == "amount: 'x' is no number"


def test_a_record_that_comes_through_leaves_the_quarantine(store: Store) -> None:
    store.commit(Page("crm", "people", "contact", rejects=[reject("7"), reject("8")]), NOW)
    store.commit(Page("crm", "people", "contact", [contact("7")]), NOW + HOUR)
    assert [q.source_id for q in store.quarantine()] == ["8"]


def test_the_quarantine_is_bounded_and_keeps_the_newest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "QUARANTINE_LIMIT", 10)
    for n in range(30):
        store.commit(Page("crm", "people", "contact", rejects=[reject(str(n))]), NOW + timedelta(seconds=n))
    assert {q.source_id for q in store.quarantine()} == {str(n) for n in range(20, 30)}


# -- status ---------------------------------------------------------------------------------------------------------


def test_a_failed_pull_leaves_the_age_of_the_last_good_one(store: Store) -> None:
    store.pull_started("crm", "people", "contact", NOW)
    store.pull_finished("crm", "people", "contact", PullEnd(rows=5, rejects=1, listed=True, skew=3), NOW + HOUR)
    store.pull_started("crm", "people", "contact", NOW + DAY)
    running = next(s for s in store.status() if s.stream == "people")
    assert (running.finished, running.complete) == (None, NOW)
    store.pull_finished("crm", "people", "contact", PullEnd(error="timed out"), NOW + DAY + HOUR)
    status = next(s for s in store.status() if s.stream == "people")
    assert (status.error, status.started, status.complete, status.listed) == ("timed out", NOW + DAY, NOW, NOW)
    assert status.age(NOW + DAY) == DAY
    assert store.complete("crm", "people") == NOW
    assert store.complete("crm", "nothing") is None
    assert store.rows("SELECT error FROM pull ORDER BY id") == [("",), ("timed out",)]


def test_a_stream_that_is_off_has_no_age(store: Store) -> None:
    store.pull_finished("desk", "ratings", "survey_response", PullEnd(off="no right"), NOW)
    status = next(s for s in store.status() if s.stream == "ratings")
    assert (status.off, status.complete, status.age(NOW)) == ("no right", None, None)


def test_the_list_of_pulls_is_bounded(store: Store) -> None:
    for days in (0, 401, 800):
        store.pull_finished("crm", "people", "contact", PullEnd(), NOW + days * DAY)
    assert store.rows("SELECT count(*) FROM pull") == [(2,)]


def test_a_stream_may_change_what_its_rows_become(store: Store) -> None:
    store.pull_started("crm", "people", "user", NOW)
    assert next(s for s in store.status() if s.stream == "people").record == "user"


# -- what the CRM says ----------------------------------------------------------------------------------------------


def said(store: Store) -> dict[str, str]:
    return dict(store.rows('SELECT record_id, "values" FROM crm_value'))


def pulled(store: Store, values: dict[str, object], *, hours: float = 0) -> None:
    record = contact("1", at=NOW + hours * HOUR)
    store.commit(Page("crm", "people", "contact", [record], own_values={"1": values}), NOW)  # type: ignore[dict-item]  # values of several types


def test_what_the_crm_says_comes_with_every_pull(store: Store) -> None:
    pulled(store, {"score": None, "band": None})
    assert said(store) == {}
    pulled(store, {"score": 70, "band": "green", "note": None}, hours=1)
    assert said(store) == {"1": '{"band":"green","score":70}'}
    pulled(store, {"score": None}, hours=2)
    assert said(store) == {"1": "{}"}


def test_what_we_wrote_is_not_undone_by_an_index_that_lags(store: Store) -> None:
    pulled(store, {"score": 10}, hours=1)
    store.set_crm_values("contact", "1", {"score": 70, "band": "gr\u00fcn"}, NOW)
    for hours in (0, 1):
        pulled(store, {"score": 10}, hours=hours)
        assert said(store) == {"1": '{"band":"gr\\u00fcn","score":70}'}
    pulled(store, {"score": 20}, hours=2)
    assert said(store) == {"1": '{"score":20}'}


def test_an_edit_in_the_very_instant_of_our_write_is_seen(store: Store) -> None:
    pulled(store, {"score": 10}, hours=1)
    for ours in (60, 70):
        store.set_crm_values("contact", "1", {"score": ours}, NOW)
        pulled(store, {"score": 10}, hours=1)
        assert said(store) == {"1": f'{{"score":{ours}}}'}, "from before our write"
    pulled(store, {"score": 99}, hours=0)
    assert said(store) == {"1": '{"score":70}'}, "older than what we knew before we wrote"
    pulled(store, {"score": 99}, hours=1)
    assert said(store) == {"1": '{"score":99}'}
    pulled(store, {"score": 98}, hours=1)
    assert said(store) == {"1": '{"score":98}'}


def test_what_an_older_version_has_written_is_not_undone_either(store: Store) -> None:
    pulled(store, {"score": 10}, hours=1)
    store.set_crm_values("contact", "1", {"score": 70}, NOW)
    with store.transaction() as conn:
        conn.execute("UPDATE crm_value SET written = 1")
    pulled(store, {"score": 10}, hours=1)
    assert said(store) == {"1": '{"score":70}'}


def test_fields_that_were_not_read_stay(store: Store) -> None:
    store.set_crm_values("contact", "1", {"score": 70, "band": "green"}, NOW)
    store.set_crm_values("contact", "1", {"score": None}, NOW)
    assert said(store) == {"1": '{"band":"green"}'}
    store.set_crm_values("task", "t", {"status": "done"}, NOW)
    assert said(store)["t"] == '{"status":"done"}'
