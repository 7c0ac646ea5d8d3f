"""Records in the state file: history, order, repetition, deletion, merging, disappearance."""

import random
from array import array
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from mapping.mapped import Reject
from mapping.schema import RECORDS, Account, Contact, Deal, Record
from sync.store import Counts, Page, Store
from sync.tables import KINDS
from tests.sync.states import DAY, HOUR, NOW, account, contact, dump, ticket


def page(*records: Record, **values: Any) -> Page:
    kind = values.pop("kind", records[0].kind if records else "contact")
    return Page(values.pop("source", "crm"), values.pop("stream", "people"), kind, records, **values)


def titles(store: Store, as_of: datetime | None = None) -> dict[str, str | None]:
    return {r.source_id: r.title for r in store.records("contact", as_of=as_of) if isinstance(r, Contact)}


# -- what lies in the file ------------------------------------------------------------------------------------------


def test_every_kind_has_a_column_for_every_field() -> None:
    assert set(KINDS) == set(RECORDS) - {"usage"}
    for name, kind in KINDS.items():
        fields = set(RECORDS[name].model_fields) - {"source", "source_id", "updated_at"}
        assert {column.field for column in kind.columns} == fields, name


def test_tables_have_the_columns_that_the_kinds_expect(store: Store) -> None:
    common, db = {"key", "source", "source_id", "stream", "version", "valid_from", "valid_to"}, Database(store.db.conn)
    for name, kind in KINDS.items():
        columns = {column.name for column in kind.columns}
        assert {column.name for column in db[name].columns} == columns | common
        assert {column.name for column in db[f"{name}_history"].columns} == columns | common - {
            "source",
            "source_id",
        }


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12).map(
    lambda value: value.strip() or "x"
)
INSTANTS = st.integers(0, 3_786_912_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
BY_TYPE = {
    "AwareDatetime": INSTANTS,
    "datetime.datetime": INSTANTS,
    "date": st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    "bool": st.booleans(),
    "int": st.integers(0, 2**40),
    "dict": st.dictionaries(TEXT, TEXT, max_size=3),
    "tuple": st.lists(TEXT, max_size=3).map(tuple),
}


def _values(annotation: Any, name: str) -> st.SearchStrategy[Any]:
    if name.endswith("currency"):
        return st.sampled_from(["USD", "EUR"])
    parts = (annotation, *get_args(annotation))
    words = [word for part in parts if "Literal" in str(part) for word in get_args(part) if isinstance(word, str)]
    if words:
        return st.sampled_from(words)
    return next((values for word, values in BY_TYPE.items() if word in str(annotation)), TEXT)


NUMBERS = count()
"""Every record gets an id of its own, so that one state file serves all examples."""


@st.composite
def records(draw: st.DrawFn, kind: str) -> Record:
    values: dict[str, Any] = {"source": "crm", "source_id": str(next(NUMBERS))}
    for name, field in RECORDS[kind].model_fields.items():
        if name not in values and (field.is_required() or draw(st.booleans())):
            values[name] = draw(_values(field.annotation, name))
    values["updated_at"] = draw(st.none() | st.just(NOW + timedelta(microseconds=123_456)))
    return RECORDS[kind](**values)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_a_record_comes_back_as_it_went_in(data: st.DataObject, kind: str, store: Store) -> None:
    record = data.draw(records(kind))
    store.commit(page(record), NOW)
    assert [r for r in store.records(kind) if r.source_id == record.source_id] == [record]


# -- versions -------------------------------------------------------------------------------------------------------


def test_a_change_leaves_the_earlier_version_in_the_history(store: Store) -> None:
    assert store.commit(page(contact("1", title="old")), NOW) == Counts(new=1)
    assert store.commit(page(contact("1", title="new", at=NOW + HOUR)), NOW + HOUR) == Counts(changed=1)
    assert titles(store) == {"1": "new"}
    assert titles(store, NOW - HOUR) == {}
    assert titles(store, NOW) == {"1": "old"}
    assert titles(store, NOW + HOUR - timedelta(seconds=1)) == {"1": "old"}
    assert titles(store, NOW + HOUR) == {"1": "new"}


def test_unchanged_rows_are_not_written_again(store: Store) -> None:
    people = [contact(str(i), title="x") for i in range(10)]
    store.commit(page(*people), NOW)
    before = dump(store)
    assert store.commit(page(*people), NOW + HOUR) == Counts(unchanged=10)
    assert dump(store) == before


def test_a_new_stamp_without_new_content_makes_no_history_but_is_remembered(store: Store) -> None:
    store.commit(page(contact("1", title="x")), NOW)
    assert store.commit(page(contact("1", title="x", at=NOW + DAY)), NOW + DAY) == Counts(unchanged=1)
    assert store.rows("SELECT count(*) FROM contact_history") == [(0,)]
    assert store.commit(page(contact("1", title="late", at=NOW + HOUR)), NOW + DAY) == Counts(older=1)
    assert titles(store) == {"1": "x"}


def test_an_older_row_is_ignored_and_does_not_touch_what_the_crm_said(store: Store) -> None:
    own = {"1": {"score": 70}}
    store.commit(page(contact("1", title="new"), own_values=own), NOW)
    stale = page(contact("1", title="old", at=NOW - HOUR), own_values={"1": {"score": 10}})
    assert store.commit(stale, NOW) == Counts(older=1)
    assert titles(store) == {"1": "new"}
    assert store.rows('SELECT "values" FROM crm_value') == [('{"score":70}',)]


def test_of_one_record_sent_twice_in_a_page_the_newest_counts(store: Store) -> None:
    rows = [contact("1", title="new", at=NOW + HOUR), contact("1", title="old")]
    assert store.commit(page(*rows), NOW) == Counts(new=1, older=1)
    assert titles(store) == {"1": "new"}


def test_a_record_without_stamp_replaces_and_keeps_the_stamp(store: Store) -> None:
    store.commit(page(contact("1", title="a")), NOW)
    assert store.commit(page(contact("1", title="b", at=None)), NOW + HOUR).changed == 1
    assert store.commit(page(contact("1", title="c", at=NOW - HOUR)), NOW + HOUR).older == 1


def test_a_clock_that_goes_back_never_ends_a_version_before_it_began(store: Store) -> None:
    store.commit(page(contact("1", title="a")), NOW)
    store.commit(page(contact("1", title="b", at=NOW + HOUR)), NOW - DAY)
    store.commit(page(contact("1", title="c", at=NOW + DAY)), NOW + DAY)
    for table in ("contact", "contact_history"):
        assert store.rows(f"SELECT count(*) FROM {table} WHERE valid_to < valid_from") == [(0,)]
    assert titles(store, NOW) == {"1": "b"}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    versions=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=30),
    size=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_any_page_split_and_order_gives_the_same_records(
    versions: list[tuple[int, int]], size: int, seed: int, store: Store
) -> None:
    results = []
    run = next(NUMBERS)
    for order, width in ((0, len(versions)), (seed, size)):
        source = f"s{run}.{order}.{width}"
        people = [
            contact(str(i), source=source, at=NOW + v * HOUR, title=f"{i}.{v}", account_ref=f"a{v}")
            for i, v in versions
        ]
        rows = random.Random(order).sample(people, len(people)) if order else people
        for start in range(0, len(rows), width):
            store.commit(page(*rows[start : start + width], source=source), NOW)
        before = dump(store)
        store.commit(page(*rows, source=source), NOW + DAY)
        assert dump(store) == before
        found = {r.source_id: r.model_copy(update={"source": ""}) for r in store.records("contact", source=source)}
        results.append(found)
    assert results[0] == results[1]


# -- references -----------------------------------------------------------------------------------------------------


def test_a_record_may_speak_of_another_that_comes_later(store: Store) -> None:
    store.commit(page(ticket("t", account_ref="7", contact_ref="9"), source="desk", stream="tickets"), NOW)
    assert list(store.records("account")) == []
    (key,) = store.rows("SELECT key FROM account WHERE source_id = '7'")[0]
    late = page(account("7", source="desk", name="Seven"), source="desk", stream="orgs")
    assert store.commit(late, NOW + HOUR) == Counts(new=1)
    assert store.rows("SELECT key, name FROM account") == [(key, "Seven")]
    assert store.rows("SELECT account FROM ticket") == [(key,)]


def test_the_same_id_in_two_sources_is_two_records(store: Store) -> None:
    store.commit(page(contact("1", title="a")), NOW)
    store.commit(page(contact("1", source="desk", title="b"), source="desk"), NOW)
    assert [r.source for r in store.records("contact")] == ["crm", "desk"]
    assert [r.source for r in store.records("contact", source="desk")] == ["desk"]


def test_an_account_may_be_its_neighbours_parent_in_the_same_page(store: Store) -> None:
    store.commit(page(account("1", parent_id="2"), account("2", name="Parent")), NOW)
    found = {r.source_id: r.parent_id for r in store.records("account") if isinstance(r, Account)}
    assert found == {"1": "2", "2": None}


# -- gone -----------------------------------------------------------------------------------------------------------


def test_a_deleted_record_is_kept_for_the_past_only(store: Store) -> None:
    store.commit(page(contact("1", title="x"), contact("2")), NOW)
    assert store.commit(page(deleted=["1", "nobody"]), NOW + HOUR) == Counts(deleted=1)
    assert store.commit(page(deleted=["1"]), NOW + HOUR) == Counts()
    assert set(titles(store)) == {"2"}
    assert set(titles(store, NOW)) == {"1", "2"}
    assert store.status()[0].total == 1


def test_a_lagging_index_does_not_bring_back_what_was_deleted(store: Store) -> None:
    store.commit(page(contact("1", title="x")), NOW)
    store.commit(page(deleted=["1"]), NOW + HOUR)
    assert store.commit(page(contact("1", title="x")), NOW + HOUR) == Counts(older=1)
    assert titles(store) == {}


def test_a_restored_record_is_back_with_its_gap_in_the_history(store: Store) -> None:
    store.commit(page(contact("1", title="x")), NOW)
    store.commit(page(deleted=["1"]), NOW + HOUR)
    assert store.commit(page(contact("1", title="x", at=NOW + 2 * HOUR)), NOW + 2 * HOUR) == Counts(new=1)
    assert [set(titles(store, NOW + n * HOUR)) for n in range(3)] == [{"1"}, set(), {"1"}]
    assert store.rows("SELECT * FROM record_map") == []


def test_merges_are_followed_in_one_step_in_whatever_order_they_come(store: Store) -> None:
    for order in ([("a", "b"), ("b", "c")], [("b", "c"), ("a", "b")]):
        people = [contact(source_id, source=str(order)) for source_id in "abc"]
        store.commit(page(*people, source=str(order)), NOW)
        keys = dict(store.rows("SELECT source_id, key FROM contact ORDER BY key DESC LIMIT 3"))
        for loser, winner in order:
            assert store.commit(page(merged={loser: winner}, source=str(order)), NOW) == Counts(merged=1)
        found = dict(store.rows("SELECT key, merged_into FROM record_map"))
        assert {found[keys["a"]], found[keys["b"]]} == {keys["c"]}


def test_a_merge_turned_round_counts_as_the_newest_word_says(store: Store) -> None:
    store.commit(page(contact("a"), contact("b")), NOW)
    store.commit(page(merged={"a": "b"}), NOW)
    store.commit(page(contact("a", at=NOW + HOUR), merged={"b": "a", "x": "x"}), NOW + HOUR)
    assert set(titles(store)) == {"a"}
    (row,) = store.rows(
        "SELECT l.source_id, w.source_id FROM record_map JOIN contact l ON l.key = record_map.key "
        "JOIN contact w ON w.key = merged_into"
    )
    assert row == ("b", "a")


def test_a_deletion_does_not_hide_where_a_record_was_merged_into(store: Store) -> None:
    store.commit(page(contact("a"), contact("b"), merged={"a": "b"}, deleted=["a"]), NOW)
    store.commit(page(deleted=["a"]), NOW)
    assert store.rows("SELECT status FROM record_map") == [("merged",)]


def listing(store: Store, ids: list[str], now: datetime, **values: Any) -> Counts:
    seen: array[int] = array("q")
    people = [contact(source_id, at=None) for source_id in ids]
    first = store.commit(page(*people[:5], kind="contact", seen=seen), now)
    return first + store.commit(page(*people[5:], kind="contact", seen=seen, full=True, **values), now)


def test_a_complete_listing_lets_vanish_what_it_does_not_name(store: Store) -> None:
    ids = [str(i) for i in range(10)]
    assert listing(store, ids, NOW) == Counts(new=10)
    assert listing(store, ids[1:], NOW + HOUR) == Counts(unchanged=9, vanished=1)
    assert set(titles(store)) == set(ids[1:])
    assert listing(store, ids, NOW + DAY) == Counts(new=1, unchanged=9)
    assert set(titles(store)) == set(ids)


def test_a_record_that_a_listing_forgot_is_back_as_it_was(store: Store) -> None:
    for ids, expected in (
        (["1", "2"], Counts(new=2)),
        (["2"], Counts(unchanged=1, vanished=1)),
        (["1", "2"], Counts(new=1, unchanged=1)),
    ):
        people = [contact(source_id) for source_id in ids]
        assert store.commit(page(*people, seen=array("q"), full=True), NOW + HOUR) == expected
    assert set(titles(store)) == {"1", "2"}


def test_only_records_of_the_listed_stream_vanish(store: Store) -> None:
    store.commit(page(contact("elsewhere"), stream="leads"), NOW)
    listing(store, ["1", "2"], NOW)
    assert listing(store, ["1"], NOW + HOUR).vanished == 1
    assert set(titles(store)) == {"elsewhere", "1"}


def test_a_row_that_could_not_be_read_has_not_vanished(store: Store) -> None:
    listing(store, [str(i) for i in range(7)], NOW)
    reject = Reject("crm", "people", "0", "title: too long", "{}")
    assert listing(store, [str(i) for i in range(1, 7)], NOW + HOUR, rejects=[reject]) == Counts(
        unchanged=6, rejected=1
    )


def test_an_outage_that_looks_like_an_empty_list_makes_nothing_vanish(store: Store) -> None:
    ids = [str(i) for i in range(100)]
    listing(store, ids, NOW)
    assert listing(store, [], NOW + HOUR) == Counts(held=100)
    assert listing(store, ids[:75], NOW + HOUR) == Counts(unchanged=75, held=25)
    assert listing(store, ids[:80], NOW + HOUR) == Counts(unchanged=80, vanished=20)


def test_a_record_merged_by_an_id_never_seen_is_known_when_it_comes(store: Store) -> None:
    store.commit(page(merged={"old": "new"}), NOW)
    store.commit(page(contact("new")), NOW)
    assert set(titles(store)) == {"new"}


def test_kinds_share_a_stream_table_but_not_their_rows(store: Store) -> None:
    store.commit(page(Deal(source="crm", source_id="1", amount=5), stream="deals"), NOW)
    store.commit(page(contact("1")), NOW)
    assert [(s.stream, s.record, s.total) for s in store.status()] == [("deals", "deal", 1), ("people", "contact", 1)]
