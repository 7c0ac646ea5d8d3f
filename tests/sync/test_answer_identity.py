"""Who answered a survey: an id of the CRM or the product, else an address, else nobody."""

from datetime import datetime
from typing import Any

import pytest

from mapping.fields import FieldMap
from mapping.identity import Settings, resolve
from mapping.schema import SurveyResponse
from sync import frames
from sync.forget import find, forget
from sync.store import Page, Store
from tests.sync.frame_tables import put, table
from tests.sync.states import DAY, HOUR, NOW, account, contact

OWN = Settings(own_domains=("us.example",))


@pytest.fixture
def office(store: Store) -> Store:
    put(store, account("A", domains=("acme.example",), external_ids={"product": "tenant-a"}), account("B"))
    ann = contact("1", email="ann@acme.example", account_ref="A", external_ids={"product": "user-1"})
    put(store, ann, contact("2", email="bob@beta.example", account_ref="B"))
    put(store, contact("3", email="twin@acme.example", account_ref="A"))
    put(store, contact("4", email="twin@acme.example", account_ref="B"))
    return store


def answer(source_id: str, at: datetime = NOW, **row: Any) -> SurveyResponse:
    """As the field map makes it of a form's response."""
    given = {"_survey": "nps", "_score": 9, "_scale_min": 0, "_scale_max": 10, "submitted_at": at.isoformat()}
    mapped = FieldMap.load("typeform").apply("form", "responses", [{"token": source_id, **given, **row}], NOW + DAY)
    assert not mapped.rejects
    (made,) = mapped.records
    assert isinstance(made, SurveyResponse)
    return made


def whose(store: Store, *answers: SurveyResponse) -> list[tuple[str | None, str | None]]:
    """(account, contact) of the answers that count, once identity is resolved."""
    put(store, *answers)
    keys = frames.identity_keys(store, crm="crm")
    found = resolve("crm", keys.accounts, keys.people, keys.members, settings=OWN, merged=keys.merged)
    assert store.save_links(found, NOW, crm="crm").rejected == 0
    return sorted({(row["account"], row["contact"]) for row in table(store, "survey")}, key=repr)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"_email": "Ann@ACME.example"}, [("A", "1")]),
        ({"_hidden": {"email": "bob@beta.example"}, "_email": "ann@acme.example"}, [("B", "2")]),
        ({"_hidden": {"contact_id": "1"}}, [("A", "1")]),
        ({"_hidden": {"contact_id": "user-1"}}, [("A", "1")]),
        ({"_hidden": {"contact_id": "unknown"}, "_email": "ann@acme.example"}, [("A", "1")]),
        ({"_hidden": {"account_id": "B"}}, [("B", None)]),
        ({"_hidden": {"account_id": "tenant-a"}}, [("A", None)]),
        ({"_hidden": {"account_id": "B", "contact_id": "1"}}, [("B", "1")]),
        ({"_email": "new.person@acme.example"}, [("A", None)]),
        ({"_email": "billing@acme.example"}, [("A", None)]),
        ({"_email": "somebody@gmail.com"}, []),
        ({"_email": "me@us.example"}, []),
        ({"_email": "twin@acme.example"}, [("A", None)]),
        ({"_hidden": {"account_id": "nowhere", "contact_id": "nobody"}}, []),
        ({}, []),
    ],
    ids=lambda case: str(case) if isinstance(case, dict) else "",
)
def test_an_answer_finds_who_gave_it(office: Store, row: dict[str, Any], expected: list[Any]) -> None:
    assert whose(office, answer("t1", **row)) == expected


def test_an_account_of_which_only_its_people_are_known_is_found_by_them(office: Store) -> None:
    known = answer("t1", _hidden={"account_id": "invoice-77", "contact_id": "2"})
    assert whose(office, known, answer("t2", _hidden={"account_id": "invoice-77"})) == [("B", "2"), ("B", None)]


def test_the_newest_address_of_somebody_counts(office: Store) -> None:
    first = answer("t1", _hidden={"contact_id": "x"}, _email="old@acme.example")
    then = answer("t2", NOW + HOUR, _hidden={"contact_id": "x"}, _email="bob@beta.example")
    put(office, then, first)
    people = {keys.source_id: keys for keys in frames.identity_keys(office, crm="crm").people}
    assert (people["x"].email, people["x"].external_ids) == ("bob@beta.example", {"any": "x"})


def test_ids_of_a_source_that_lists_people_are_its_own(office: Store) -> None:
    office.commit(Page("form", "users", "contact", [contact("u", source="form")]), NOW)
    assert whose(office, answer("t1", _hidden={"contact_id": "1"})) == []
    assert whose(office, answer("t2", _email="ann@acme.example")) == [("A", "1")]


def test_who_is_forgotten_is_forgotten_in_answers_too(office: Store) -> None:
    assert whose(office, answer("t1", _hidden={"contact_id": "x"}, _email="ann@acme.example")) == [("A", "1")]
    put(office, answer("t2", _email="ann@acme.example"), answer("t3", _email="lone@other.example"))
    assert ("form", "x") in find(office, "ann@acme.example").ids
    assert find(office, "form:x").emails == ("ann@acme.example",)
    forget(office, "lone@other.example", NOW + HOUR, crm="crm")
    forget(office, "1", NOW + HOUR, crm="crm")
    put(office, answer("t4", NOW + HOUR, _email="ann@acme.example"), now=NOW + DAY)
    rows = office.rows("SELECT email, contact FROM survey_response UNION SELECT email, source_id FROM contact")
    said = str(rows) + str(office.rows("SELECT source_id FROM contact"))
    assert "ann@" not in said
    assert "lone@" not in said
    assert whose(office) == [], "an answer without a name counts for nobody"
