"""Forgetting a person: what goes, what stays, and who comes back."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapping.mapped import Reject
from mapping.schema import ContactRole, Membership, SurveyResponse
from sync import streams
from sync.forget import Screen, UnknownPersonError, find, forget
from sync.ledger import Ledger
from sync.plan import FieldChange, Plan, RecordChange
from sync.records import take_keys
from sync.store import Page, Store
from sync.tables import KINDS
from tests.sync.states import HOUR, NOW, account, contact, ticket

ANN = "ann@acme.example"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path / "state")
    fill(made)
    yield made
    made.close()


def own(*ids: str) -> dict[str, dict[str, None]]:
    return {one: {} for one in ids}


def fill(store: Store) -> None:
    crm = [contact("7000001", email="Ann@Acme.example", title="CTO"), contact("7000002", email="bob@acme.example")]
    store.commit(Page("crm", "people", "contact", crm, own_values=own("7000001", "7000002")), NOW)
    old = [contact("7000001", email="ann.old@acme.example", at=NOW + HOUR, other_emails=(ANN,))]
    store.commit(Page("crm", "people", "contact", old, own_values=own("7000001")), NOW + HOUR)
    desk = [
        contact("900000001", source="desk", email=ANN, account_ref="a"),
        contact("900000002", source="desk", email="bob@acme.example"),
    ]
    store.commit(Page("desk", "users", "contact", desk), NOW)
    store.commit(Page("desk", "orgs", "account", [account("a", source="desk")]), NOW)
    pages(store)
    rejects = [
        Reject("desk", "users", "900000001", "bad", "{}"),
        Reject("desk", "users", "x", "bad", f'{{"email": "{ANN.upper()}"}}'),
        Reject("desk", "users", "y", "bad", '{"email": "bob@acme.example"}'),
    ]
    store.commit(Page("desk", "users", "contact", rejects=rejects), NOW)


def pages(store: Store) -> None:
    """What other records say of people."""
    person = "900000001"
    tickets = [ticket("1", contact_ref=person, account_ref="a"), ticket("2", contact_ref="900000002", account_ref="a")]
    store.commit(Page("desk", "tickets", "ticket", tickets), NOW)
    answers = [
        SurveyResponse(
            source="desk", source_id="s1", survey="nps", score=9, scale_min=0, scale_max=10, responded_at=NOW, email=ANN
        ),
    ]
    store.commit(Page("desk", "answers", "survey_response", answers), NOW)
    members = [Membership(source="desk", source_id="m1", contact_ref=person, account_ref="a")]
    store.commit(Page("desk", "members", "membership", members), NOW)
    roles = [ContactRole(source="desk", source_id="r1", contact_ref=person, deal_ref="9")]
    store.commit(Page("desk", "roles", "contact_role", roles), NOW)


def names(store: Store) -> list[str]:
    return [record.source_id for record in store.records("contact")]


def test_who_belongs_to_a_name(store: Store) -> None:
    ann = (("crm", "7000001"), ("desk", "900000001"))
    assert find(store, ANN).ids == ann
    assert find(store, "desk:900000001").ids == ann, "an address is one person"
    assert find(store, "7000001").emails == ("ann.old@acme.example", ANN)
    for who in ("nobody", "crm:900000001", "x@y.example"):
        with pytest.raises(UnknownPersonError, match="nobody is known by"):
            find(store, who)


def test_what_goes_and_what_stays(store: Store) -> None:
    write(store)
    done = forget(store, ANN, NOW + HOUR, crm="crm")
    assert done.listed
    assert done.operations == 1
    assert names(store) == ["7000002", "900000002"]
    assert [record.contact_ref for record in store.records("ticket")] == [None, "900000002"]  # type: ignore[attr-defined]  # tickets
    assert [(r.email, r.score) for r in store.records("survey_response")] == [(None, 9)]  # type: ignore[attr-defined]  # answers
    assert list(store.records("membership")) == []
    assert list(store.records("contact_role")) == []
    assert [one.source_id for one in store.quarantine()] == ["y"]
    ledger = Ledger(store)
    assert ledger.verify() == []
    assert ledger.written() == {}
    assert [op.values for op in ledger.ops(1)] == [{}]
    store.close()
    for path in store.path.iterdir():
        if path.is_file():
            data = path.read_bytes().lower()
            assert ANN.encode() not in data
            assert b"900000001" not in data
            assert b"cto" not in data or path.name != "state.db"


def write(store: Store) -> None:
    ledger = Ledger(store)
    run_id = ledger.start_run("apply", NOW)
    record = RecordChange("contact", "7000001", "Ann", (FieldChange("score", None, 5),), "why")
    ledger.note_plan(run_id, Plan(NOW, "env", "config", (record,)), NOW)
    ledger.adopt_values("contact", {"7000001": {"score": 5}}, NOW)


def test_notes_that_name_their_address_go(store: Store) -> None:
    with store.transaction() as conn:
        notes = [("1", 1, f"ask {ANN.upper()} first"), ("1", 2, "ask bob@acme.example"), ("2", 3, "renewal in May")]
        conn.executemany("INSERT INTO note (crm_id, since, seen, text) VALUES (?, ?, 0, ?)", notes)
    forget(store, ANN, NOW + HOUR, crm="crm")
    assert store.rows("SELECT text FROM note ORDER BY since") == [("ask bob@acme.example",), ("renewal in May",)]


def test_a_source_does_not_bring_them_back(store: Store) -> None:
    forget(store, ANN, NOW + HOUR, crm="crm")
    again = [
        contact("900000001", source="desk", email=ANN, at=NOW + 2 * HOUR),
        contact("other-id", source="desk", email="other@acme.example", other_emails=(ANN,)),
        contact("900000003", source="desk", email="new@acme.example"),
    ]
    rejects = [Reject("desk", "users", "z", "bad", f"{{'email': '{ANN}'}}"), Reject("desk", "users", "z2", "bad", "{}")]
    merged = {"900000001": "900000002"}
    store.commit(Page("desk", "users", "contact", again, rejects, merged=merged), NOW + 2 * HOUR)
    pages(store)
    assert names(store) == ["7000002", "900000002", "900000003"]
    assert [record.contact_ref for record in store.records("ticket")] == [None, "900000002"]  # type: ignore[attr-defined]  # tickets
    assert list(store.records("membership")) == []
    assert [one.source_id for one in store.quarantine()] == ["z2", "y"]
    assert not store.rows("SELECT 1 FROM contact WHERE source_id = '900000001'")


def test_the_crm_brings_them_back_and_the_sources_follow(store: Store) -> None:
    forget(store, ANN, NOW + HOUR, crm="crm")
    back = [contact("7000001", email=ANN, at=NOW + 3 * HOUR)]
    store.commit(Page("crm", "people", "contact", back, own_values=own("7000001")), NOW + 3 * HOUR)
    assert "7000001" in names(store)
    known = [contact("other", source="desk", email=ANN, at=NOW + 3 * HOUR)]
    store.commit(Page("desk", "users", "contact", known), NOW + 3 * HOUR)
    assert "other" in names(store)


def test_files_that_name_them_go(store: Store) -> None:
    plans = store.path / "plans"
    aside = store.path / "aside-1"
    spool = store.path / "spool" / "mixpanel"
    for folder in (plans, aside, spool, store.path / "tmp"):
        folder.mkdir(parents=True)
    (plans / "a.plan").write_text('{"record_id": "7000001"}')
    (plans / "b.plan").write_text('{"record_id": "7000002"}')
    (aside / "state.db").write_text(ANN)
    (spool / "mixpanel-1.jsonl").write_text(ANN)
    done = forget(store, "7000001", NOW, crm="crm")
    assert done.files == 3
    assert [path.name for path in plans.iterdir()] == ["b.plan"]
    assert not aside.exists()
    assert list(spool.iterdir()) == []


def test_who_only_waits_in_the_spool_is_found_and_does_not_come_back(store: Store) -> None:
    """After a run that was killed; by id or address, with what the state knows, and nobody else's row is lost."""
    folder = store.path / "spool" / "my%20app"
    folder.mkdir(parents=True)
    rows = {
        "u-1": {"user_id": "u-1", "user_properties": {"email": "Eve@acme.example"}},
        "bob@acme.example": {"user_id": "bob@acme.example", "user_properties": {"email": None}},
        "u-3": {"user_id": "u-3", "user_properties": {"email": ["Ann.Old@Acme.example"]}},
        "u-4": {"user_id": "u-4", "user_properties": {}},
        "a@x.example": {"user_id": "a@x.example", "user_properties": {"email": "eve@acme.example"}},
        "0": {"user_id": "0", "user_properties": {"email": "A@x.example"}},
    }
    path = folder / "waiting-1.json"
    path.write_text(json.dumps(rows))
    (folder / "waiting-2.json").write_text('{"u-1": {"user')
    with store.transaction() as conn:  # as counting their events leaves them
        key = streams.source_key(conn, "my app")
        take_keys(conn, KINDS["contact"], key, ["u-1", "u-4"])
    (folder / "amplitude-1.jsonl.gz").touch()
    with pytest.raises(UnknownPersonError, match="nobody is known by 'nobody'"):
        forget(store, "nobody", NOW, crm="crm")
    assert [one.name for one in folder.iterdir()] == ["waiting-1.json"], "a download may name anybody"
    assert find(store, "my app:u-4").ids == (("my app", "u-4"),)
    done = forget(store, "eve@ACME.example", NOW, crm="crm")
    eve = ("0", "a@x.example", "u-1")
    assert (done.records, done.files, done.listed) == (tuple(("my app", one) for one in eve), 1, False)
    assert json.loads(path.read_text()).keys() == rows.keys() - set(eve)
    assert forget(store, "bob@acme.example", NOW, crm="crm").records[-1] == ("my app", "bob@acme.example")
    assert ("my app", "u-3") in forget(store, "u-3", NOW, crm="crm").records
    assert names(store) == [], "the same address, so the same person"
    assert json.loads(path.read_text()).keys() == {"u-4"}
    assert path.stat().st_mode & 0o777 == 0o600
    store.commit(Page("my app", "users", "contact", [contact("u-1", source="my app", email=None)]), NOW + HOUR)
    assert names(store) == []


def test_a_screen_without_marks_hides_nobody() -> None:
    screen = Screen((), lambda: pytest.fail("no key is needed"))
    assert screen.of("desk", ["1", "2"]) == []
    assert not Screen(["x"], lambda: secrets.token_bytes(32)).hides("desk", None, "1")
