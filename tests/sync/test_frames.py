"""What scoring, identity and planning read: resolved to the CRM's records, as of an instant, at a linear cost."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapping.links import AccountKeys, Member, PersonKeys
from mapping.schema import Account, Activity, Deal, Invoice, Membership, Subscription, SurveyResponse, User
from scoring.card import Scorecard
from scoring.engine import score
from scoring.inputs import TABLES
from sync import frames
from sync.store import Page, Store
from tests.sync.frame_tables import SECONDS, ages, link, pulled, put, read, table, use
from tests.sync.states import DAY, HOUR, NOW, account, contact, ticket


@pytest.fixture
def office(store: Store) -> Store:
    """Two CRM accounts with a person each, and a helpdesk whose organisation and users are linked to them."""
    put(store, account("A", name="Acme"), account("B", name="Beta"))
    put(store, contact("1", account_ref="A"), contact("2", account_ref="B"), contact("3"))
    put(store, account("org", source="desk"), *(contact(i, source="desk") for i in ("u", "v", "w", "x")))
    link(
        store,
        ("account", "desk", "org", "A"),
        ("contact", "desk", "u", "1"),
        ("contact", "desk", "v", "2"),
        ("home", "desk", "w", "B"),
        ("contact", "desk", "x", "3"),
    )
    return store


# -- the tables -----------------------------------------------------------------------------------------------------


def test_every_common_table_is_given_with_its_columns(office: Store) -> None:
    given = frames.inputs(office, NOW, crm="crm")
    assert {*given.tables, *given.views} >= set(TABLES)
    for name, columns in TABLES.items():
        assert read(office, name, [column.name for column in columns.columns], NOW, {}) is not None
    assert given.state == office.file
    assert given.as_of == NOW


def test_the_engine_loads_what_is_given(office: Store) -> None:
    put(office, ticket("t", account_ref="org"))
    given = frames.inputs(office, NOW, crm="crm")
    with office.released():
        rows = list(score(Scorecard.load(), given))
    assert {(row.level, row.crm_id) for row in rows} == {
        ("account", "A"),
        ("account", "B"),
        ("contact", "1"),
        ("contact", "2"),
        ("contact", "3"),
    }


def test_accounts_are_those_of_the_crm(store: Store) -> None:
    full = Account(
        source="crm",
        source_id="A",
        name="Acme",
        owner_id="o1",
        parent_id="P",
        plan="team",
        mrr=125050,
        currency="EUR",
        customer_since=NOW.date(),
        renewal_date=NOW.date() + DAY,
        lifecycle="customer",
        channel="Partner",
        created_at=NOW,
    )
    put(store, full, account("P"), account("A", source="desk"))
    rows = {row["account"]: row for row in table(store, "account") if row["crm_id"] == "A"}
    today = (NOW.date() - date(1970, 1, 1)).days
    assert rows["A"] == {
        "account": "A",
        "crm_id": "A",
        "name": "Acme",
        "owner_id": "o1",
        "parent": "P",
        "plan": "team",
        "mrr": 125050,
        "currency": "EUR",
        "customer_since": today,
        "renewal_date": today + 1,
        "created_at": SECONDS,
        "lifecycle": "customer",
        "channel": "Partner",
    }
    assert len(table(store, "account")) == 2


def test_the_last_login_is_the_newest_of_any_linked_record(office: Store) -> None:
    put(office, contact("u", source="desk", at=NOW + HOUR, last_login_at=NOW - DAY))
    put(office, contact("2", at=NOW + HOUR, account_ref="B", last_login_at=NOW - HOUR))
    put(office, contact("v", source="desk", at=NOW + HOUR, last_login_at=NOW - DAY))
    logins = {row["contact"]: row["last_login_at"] for row in table(office, "contact")}
    assert logins == {"1": SECONDS - 86400, "2": SECONDS - 3600, "3": None}
    assert {row["contact"]: row["account"] for row in table(office, "contact")} == {"1": "A", "2": "B", "3": None}


@pytest.mark.requirement("R117")
def test_what_people_have_opted_out_of_is_what_the_crm_says(office: Store) -> None:
    put(office, contact("1", at=NOW + HOUR, account_ref="A", email_opt_out=True, do_not_call=False))
    put(office, contact("v", source="desk", at=NOW + HOUR, email_opt_out=True))
    wishes = {row["contact"]: (row["email_opt_out"], row["do_not_call"]) for row in table(office, "contact")}
    assert wishes == {"1": (1, 0), "2": (None, None), "3": (None, None)}


@pytest.mark.parametrize(
    ("account_ref", "contact_ref", "expected"),
    [
        ("org", None, ("A", None)),
        ("org", "u", ("A", "1")),
        ("org", "v", ("A", "2")),  # the ticket's own organisation counts before the requester's
        (None, "v", ("B", "2")),
        (None, "w", ("B", None)),
        ("unknown", "v", ("B", "2")),
        (None, "x", None),
        (None, "stranger", None),
        (None, None, None),
    ],
)
def test_tickets_and_answers_belong_to_an_account(
    account_ref: str | None, contact_ref: str | None, expected: tuple[str, str | None] | None, office: Store
) -> None:
    put(office, ticket("t", account_ref=account_ref, contact_ref=contact_ref, priority="high", reopens=1))
    put(
        office,
        SurveyResponse(
            source="desk",
            source_id="s",
            survey="csat",
            score=4,
            scale_min=1,
            scale_max=5,
            satisfied=True,
            responded_at=NOW,
            account_ref=account_ref,
            contact_ref=contact_ref,
        ),
    )
    for name in ("ticket", "survey"):
        assert [(row["account"], row["contact"]) for row in table(office, name)] == ([expected] if expected else [])
    if expected:
        (row,) = table(office, "ticket")
        assert (row["status"], row["priority"], row["created_at"], row["reopens"]) == ("open", "high", SECONDS, 1)


def test_the_crms_own_tickets_need_no_link(office: Store) -> None:
    put(office, ticket("t", source="crm", account_ref="A", contact_ref="2"), ticket("p", source="crm", contact_ref="2"))
    assert [(row["account"], row["contact"]) for row in table(office, "ticket")] == [("A", "2"), ("B", "2")]


def test_money_is_resolved_too(office: Store) -> None:
    put(
        office,
        Deal(source="crm", source_id="d", account_ref="A", amount=5, closed=True, won=True, close_date=NOW.date()),
    )
    put(office, Deal(source="crm", source_id="lost"))
    put(
        office,
        Invoice(
            source="bill", source_id="i", account_ref="cus", status="open", amount_due=7, currency="EUR", created_at=NOW
        ),
    )
    put(office, Subscription(source="bill", source_id="s", account_ref="cus", status="active", mrr=9))
    link(office, ("account", "bill", "cus", "B"))
    assert [(row["account"], row["won"], row["renewal"]) for row in table(office, "deal")] == [("A", 1, 0)]
    assert [(row["account"], row["amount_due"]) for row in table(office, "invoice")] == [("B", 7)]
    assert [(row["account"], row["mrr"]) for row in table(office, "subscription")] == [("B", 9)]


def test_merged_records_of_the_crm_are_followed(office: Store) -> None:
    put(
        office,
        ticket("t", account_ref="org", contact_ref="u"),
        ticket("own", source="crm", account_ref="A", contact_ref="1"),
    )
    put(office, account("C", parent_id="A"))
    office.commit(Page("crm", "accounts", "account", merged={"A": "B"}), NOW + HOUR)
    office.commit(Page("crm", "contacts", "contact", merged={"1": "2"}), NOW + HOUR)
    after = NOW + HOUR
    assert {(r["account"], r["contact"]) for r in table(office, "ticket", after)} == {("B", "2")}
    assert {(r["account"], r["contact"]) for r in table(office, "ticket", NOW)} == {("A", "1")}
    assert {r["crm_id"]: r["parent"] for r in table(office, "account", after)} == {"B": None, "C": "B"}
    assert [r["crm_id"] for r in table(office, "contact", after)] == ["2", "3"]


def test_a_score_of_the_past_sees_the_past(office: Store) -> None:
    put(office, ticket("t", account_ref="org"))
    later = NOW + DAY
    put(office, ticket("t", account_ref="org", at=later, status="solved", solved_at=later), now=later)
    put(office, account("A", name="Acme Ltd", at=later), now=later)
    link(office, ("account", "desk", "org", "B"), now=later)
    office.commit(Page("crm", "contacts", "contact", deleted=["3"]), later)
    assert [(r["account"], r["status"]) for r in table(office, "ticket", NOW)] == [("A", "open")]
    assert [(r["account"], r["status"]) for r in table(office, "ticket", later)] == [("B", "solved")]
    assert {r["name"] for r in table(office, "account", NOW)} == {"Acme", "Beta"}
    assert {r["name"] for r in table(office, "account", later)} == {"Acme Ltd", "Beta"}
    assert len(table(office, "contact", NOW)) == 3
    assert len(table(office, "contact", later)) == 2
    assert table(office, "account", NOW - HOUR) == []


def test_usage_is_resolved_by_person_and_by_group(office: Store, tmp_path: Path) -> None:
    use(office, tmp_path, ("p1", "g1"), ("p2", ["g1", "g2"]), ("p3", None))
    link(office, ("account", "mp", "g1", "A"), ("contact", "mp", "p1", "2"), ("home", "mp", "p3", "A"))
    assert table(office, "usage_person") == [
        {"person": "p1", "contact": "2", "account": "B"},
        {"person": "p2", "contact": None, "account": None},
        {"person": "p3", "contact": None, "account": "A"},
    ]
    assert table(office, "usage_group") == [{"grp": "g1", "account": "A"}, {"grp": "g2", "account": None}]


def test_usage_files_are_those_up_to_the_day(office: Store, tmp_path: Path) -> None:
    use(office, tmp_path, ("p", "g"), now=NOW)
    use(office, tmp_path, ("p", "g"), now=NOW - DAY)
    assert len(frames.inputs(office, NOW, crm="crm").usage) == 2
    assert len(frames.inputs(office, NOW - DAY, crm="crm").usage) == 1
    assert frames.inputs(office, NOW, crm="crm", sources=["desk"]).usage == []


def test_the_age_of_a_source_is_that_of_its_last_complete_pull(store: Store) -> None:
    pulled(store, "desk", "tickets", "ticket", NOW)
    pulled(store, "desk", "tickets", "ticket", NOW + HOUR, error="down")
    pulled(store, "crm", "tickets", "ticket", NOW + HOUR)
    pulled(store, "desk", "ratings", "survey_response", NOW, error="down")
    pulled(store, "mp", "events", "usage", NOW, off="no right")
    assert ages(store, NOW + DAY) == {("ticket", "desk"): 0, ("ticket", "crm"): 3600, ("survey_response", "desk"): None}
    assert ages(store, NOW + DAY, sources=["crm"]) == {("ticket", "crm"): 3600}
    assert ages(store, NOW) == {("ticket", "desk"): 0, ("survey_response", "desk"): None}
    assert ages(store, NOW - DAY) == {}


def test_a_kind_is_watched_since_its_last_stream_was_first_complete(store: Store) -> None:
    def since() -> dict[str, int | None]:
        return {row["record"]: row["since"] for row in table(store, "feed", NOW + 500 * DAY)}

    pulled(store, "crm", "people", "contact", NOW - HOUR, error="down")
    assert since() == {"contact": None}
    pulled(store, "crm", "people", "contact", NOW)
    pulled(store, "crm", "people", "contact", NOW + 450 * DAY)  # the first pull is no longer kept
    assert since() == {"contact": SECONDS}
    pulled(store, "crm", "more people", "contact", NOW + 451 * DAY)
    assert since() == {"contact": SECONDS + 451 * 86400}


def test_a_kind_of_several_streams_is_as_old_as_the_oldest(store: Store) -> None:
    pulled(store, "desk", "ratings", "survey_response", NOW)
    pulled(store, "desk", "responses", "survey_response", NOW + HOUR)
    assert ages(store, NOW + DAY) == {("survey_response", "desk"): 0}
    pulled(store, "desk", "more", "survey_response", NOW, error="down")
    assert ages(store, NOW + DAY) == {("survey_response", "desk"): None}


# -- the same, worked out plainly -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_resolution_is_what_a_plain_loop_says(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store.open(tmp_path_factory.mktemp("s") / "state")
    some = data.draw
    home = {c: some(st.sampled_from(["A", "B", "C", None])) for c in "123"}
    orgs = {o: some(st.sampled_from(["A", "B", "C", None])) for o in ("o1", "o2")}
    users = {u: some(st.sampled_from(["1", "2", "3", None])) for u in ("u1", "u2", "u3")}
    homes = {u: some(st.sampled_from(["A", "B", None])) for u in users}
    merged = some(st.sampled_from([{}, {"A": "B"}, {"A": "B", "B": "C"}]))
    put(store, *(account(a) for a in "ABC"), *(contact(c, account_ref=a) for c, a in home.items()))
    put(store, *(account(o, source="desk") for o in orgs), *(contact(u, source="desk") for u in users))
    direct = {u: home[c] for u, c in users.items() if c}
    links: list[tuple[Any, str, str, str]] = [("account", "desk", o, a) for o, a in orgs.items() if a]
    links += [("contact", "desk", u, c) for u, c in users.items() if c]
    links += [("home", "desk", u, a) for u, a in homes.items() if a and not direct.get(u)]
    link(store, *links)
    if merged:
        store.commit(Page("crm", "accounts", "account", merged=merged), NOW)
    tickets = some(st.lists(st.tuples(st.sampled_from([*orgs, None]), st.sampled_from([*users, None])), max_size=8))
    put(store, *(ticket(str(n), account_ref=o, contact_ref=u) for n, (o, u) in enumerate(tickets)))

    def final(name: str | None) -> str | None:
        while name in merged:
            name = merged[name]
        return name

    expected = []
    for org, user in tickets:
        belongs = orgs.get(org or "") or direct.get(user or "") or (homes[user] if user else None)
        if belongs:
            expected.append((final(belongs), users.get(user or "")))
    got = [(row["account"], row["contact"]) for row in table(store, "ticket")]
    assert sorted(map(repr, got)) == sorted(map(repr, expected))
    store.close()


# -- identity -------------------------------------------------------------------------------------------------------


def test_identity_gets_every_key(store: Store, tmp_path: Path) -> None:
    put(store, account("A", domains=("acme.example",), external_ids={"product": "t1"}))
    put(
        store,
        contact("1", email="a@acme.example", other_emails=("b@x.example",), account_ref="A", account_refs=("A", "B")),
    )
    put(store, contact("u", source="desk", staff=True, account_ref="org"), contact("gone", source="desk"))
    put(store, Membership(source="desk", source_id="m", contact_ref="u", account_ref="org2"))
    put(store, ticket("t", contact_ref="never seen"), User(source="crm", source_id="7"))
    store.commit(Page("desk", "contacts", "contact", deleted=["gone"]), NOW)
    store.commit(Page("crm", "accounts", "account", merged={"old": "A"}), NOW)
    store.commit(Page("crm", "contacts", "contact", merged={"9": "1"}), NOW)
    pulled(store, "mp", "events", "usage", NOW)
    use(store, tmp_path, ("p1", "g1"))
    keys = frames.identity_keys(store, crm="crm")
    assert set(map(_plain, keys.accounts)) == {
        _plain(AccountKeys("crm", "A", ("acme.example",), {"product": "t1"})),
        _plain(AccountKeys("desk", "org")),
        _plain(AccountKeys("desk", "org2")),
        _plain(AccountKeys("mp", "g1", (), {"any": "g1"})),
    }
    assert set(map(_plain, keys.people)) == {
        _plain(PersonKeys("crm", "1", "a@acme.example", ("b@x.example",), {}, "A")),
        _plain(PersonKeys("desk", "u", account_ref="org", staff=True)),
        _plain(PersonKeys("desk", "never seen")),
        _plain(PersonKeys("mp", "p1", external_ids={"product": "p1"})),
    }
    assert set(keys.members) == {
        Member("desk", "u", "org2"),
        Member("crm", "1", "A"),
        Member("crm", "1", "B"),
        Member("mp", "p1", "g1"),
    }
    assert keys.merged == {"old": "A", "9": "1"}


def _plain(keys: AccountKeys | PersonKeys) -> tuple[Any, ...]:
    return tuple(tuple(sorted(value.items())) if isinstance(value, dict) else value for value in keys)


def test_identity_reads_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "PAGE", 3)
    put(store, *(account(str(n)) for n in range(10)))
    assert [keys.source_id for keys in frames.identity_keys(store, crm="crm").accounts] == [str(n) for n in range(10)]


# -- planning -------------------------------------------------------------------------------------------------------


def test_the_plan_gets_names_owners_and_what_the_crm_says(store: Store) -> None:
    put(
        store,
        User(source="crm", source_id="7", name="Ann", active=True),
        User(source="crm", source_id="8", email="b@x", active=False),
    )
    put(
        store,
        account("A", name="Acme", owner_id="7"),
        account("B", owner_id="8"),
        account("C", owner_id="9"),
        account("D"),
    )
    put(store, account("Z", source="desk"), contact("1", email="a@x", owner_id="7", account_ref="A"), contact("2"))
    store.commit(Page("crm", "users", "user", deleted=["8"]), NOW)
    store.commit(Page("crm", "accounts", "account", deleted=["D"]), NOW)
    store.set_crm_values("account", "A", {"score": 70, "at": NOW, "tags": ("a", "b")}, NOW)
    assert list(frames.accounts_for_plan(store, crm="crm")) == [
        frames.CrmRecord("A", "Acme", "7", "Ann", True, {"score": 70, "at": NOW, "tags": ("a", "b")}),
        frames.CrmRecord("B", "B", "8", "b@x", False, {}),
        frames.CrmRecord("C", "C", "9", "", False, {}),
    ]
    assert [(r.crm_id, r.name, r.owner_active, r.account_id) for r in frames.contacts_for_plan(store, crm="crm")] == [
        ("1", "a@x", True, "A"),
        ("2", "2", False, None),
    ]
    assert list(frames.accounts_for_plan(store, crm="never pulled")) == []


def test_kinds_that_scoring_does_not_read_yet_are_kept(store: Store) -> None:
    put(store, Activity(source="crm", source_id="1", activity="call", at=NOW, account_ref="A"))
    assert [r.source_id for r in store.records("activity")] == ["1"]
