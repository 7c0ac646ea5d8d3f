"""Salesforce's field map: every stream, from either interface, and what an org adds."""

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mapping.fields import FieldMap, FieldMapError
from mapping.schema import (
    Account,
    Activity,
    Contact,
    ContactRole,
    Deal,
    Membership,
    Subscription,
    SurveyResponse,
    Ticket,
    User,
)
from tests.mapping.rows import NOW, Row
from tests.mapping.salesforce_rows import (
    ACME,
    ANN,
    BETA,
    CHANGED,
    OTHER_ROWS,
    OURS,
    RENEWAL,
    SAM,
    account_row,
    answer_row,
    as_text,
    case_row,
    contact_row,
    one,
    opportunity_row,
    salesforce_row,
    task_row,
)

PLAIN = FieldMap.load("salesforce")

MADE = datetime(2025, 3, 1, 10, tzinfo=UTC)
LATELY = datetime(2026, 11, 1, 10, tzinfo=UTC)

ROWS: dict[str, Row] = {
    **OTHER_ROWS,
    "accounts": account_row(),
    "contacts": contact_row(),
    "opportunities": opportunity_row(),
    "cases": case_row(IsClosed=True, Status="Closed", ClosedDate=CHANGED),
    "tasks": task_row(IsClosed=True, CompletedDateTime=CHANGED),
    "survey_responses": answer_row(),
}


# -- every stream ---------------------------------------------------------------------------------------------------


def test_every_stream_is_tried_below() -> None:
    assert set(ROWS) == set(PLAIN.streams)


@pytest.mark.parametrize("stream", sorted(ROWS))
def test_nothing_that_is_asked_for_is_unknown(stream: str) -> None:
    row = ROWS[stream]
    asked = {path.partition(".")[0] for path in OURS.paths(stream)}
    assert asked <= row.keys() | {"Id", "SystemModstamp"}
    extras = {"attributes": {"type": "X"}, "CurrencyIsoCode": "EUR", "_currency": "USD", "IsDeleted": False}
    assert OURS.apply("crm", stream, [{**extras, **row}], NOW).unknown == {}


def test_an_account() -> None:
    assert one("accounts", account_row()) == Account(
        source="crm",
        source_id=ACME,
        updated_at=LATELY,
        name="Acme",
        domains=("acme.example", "acme-group.example"),
        external_ids={"product": "0042"},
        owner_id=SAM,
        parent_id=BETA,
        plan="team",
        mrr=125050,
        currency="EUR",
        customer_since=date(2024, 2, 29),
        renewal_date=date(2056, 2, 28),
        lifecycle="customer",
        created_at=MADE,
    )


def test_a_contact() -> None:
    assert one("contacts", contact_row()) == Contact(
        source="crm",
        source_id=ANN,
        updated_at=LATELY,
        email="ann@acme.example",
        other_emails=("ann@old.example",),
        external_ids={"product": "usr_1"},
        account_ref=ACME,
        account_refs=(ACME,),
        owner_id=SAM,
        title="Head of Things",
        created_at=MADE,
    )


def test_contacts_may_lack_nearly_everything() -> None:
    empty = {name: None for name in contact_row() if name not in ("Id", "SystemModstamp")}
    assert one("contacts", contact_row(**empty)) == Contact(source="crm", source_id=ANN, updated_at=LATELY)


def test_a_user() -> None:
    assert one("users", ROWS["users"]) == User(
        source="crm", source_id=SAM, updated_at=LATELY, name="Sam Ray", email="sam@vendor.example", active=False
    )


def test_a_further_account_of_a_contact() -> None:
    assert one("account_contacts", ROWS["account_contacts"]) == Membership(
        source="crm", source_id="07kHf000000000LIAQ", updated_at=LATELY, contact_ref=ANN, account_ref=BETA
    )


@pytest.mark.parametrize("values", [{"IsDirect": True}, {"IsActive": False}])
def test_a_direct_relation_and_one_that_ended_are_no_membership_any_more(values: Row) -> None:
    row = {**ROWS["account_contacts"], **values}
    for written in (row, as_text(row)):
        mapped = PLAIN.apply("crm", "account_contacts", [written], NOW)
        assert (mapped.records, mapped.deleted) == ([], ["07kHf000000000LIAQ"])


def test_an_opportunity() -> None:
    assert one("opportunities", opportunity_row()) == Deal(
        source="crm",
        source_id=RENEWAL,
        updated_at=LATELY,
        account_ref=ACME,
        name="Renewal 2027",
        stage="Negotiation/Review",
        closed=False,
        won=None,
        renewal=True,
        amount=1500000,
        currency="EUR",
        close_date=date(2027, 1, 31),
        owner_id=SAM,
        created_at=MADE,
    )


@pytest.mark.parametrize(
    ("values", "closed", "won"),
    [
        ({"IsClosed": True, "IsWon": True}, True, True),
        ({"IsClosed": True}, True, False),
        ({"IsWon": True}, False, None),
    ],
)
def test_opportunities_say_themselves_whether_they_are_closed(values: Row, closed: bool, won: bool | None) -> None:  # noqa: FBT001 - the table above
    deal = one("opportunities", opportunity_row(StageName="Whatever They Call It", **values))
    assert (deal.closed, deal.won) == (closed, won)


@pytest.mark.parametrize(
    ("word", "renewal"),
    [
        ("Existing Business", True),
        ("Renewal", True),
        ("renewal", True),
        ("Existing Customer - Replacement", True),
        ("Existing Customer - Downgrade", True),
        ("Existing Customer - Upgrade", False),
        ("New Customer", False),
        ("New Business", False),
        ("Their own word", False),
        (None, False),
    ],
)
def test_renewals_are_told_by_the_type(word: str | None, renewal: bool) -> None:  # noqa: FBT001 - the table above
    assert one("opportunities", opportunity_row(Type=word)).renewal is renewal


def test_a_part_in_a_deal() -> None:
    assert one("contact_roles", ROWS["contact_roles"]) == ContactRole(
        source="crm",
        source_id="00KHf000000000MIAQ",
        updated_at=LATELY,
        contact_ref=ANN,
        account_ref=ACME,
        deal_ref=RENEWAL,
        role="Economic Buyer",
        primary=True,
    )
    orphan = {**ROWS["contact_roles"], "Opportunity": None, "Role": None, "IsPrimary": False}
    role = one("contact_roles", orphan)
    assert (role.account_ref, role.role, role.primary) == (None, None, False)


def test_a_contract_says_until_when_and_no_more() -> None:
    assert one("contracts", ROWS["contracts"]) == Subscription(
        source="crm",
        source_id="800Hf000000000PIAQ",
        updated_at=LATELY,
        account_ref=ACME,
        status="Activated",
        current_period_end=datetime(2027, 1, 31, tzinfo=UTC),
    )


def test_a_case() -> None:
    assert one("cases", case_row()) == Ticket(
        source="crm",
        source_id="500Hf000000000GIAQ",
        updated_at=LATELY,
        account_ref=ACME,
        contact_ref=ANN,
        status="open",
        priority="normal",
        created_at=MADE,
    )


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"Status": "New"}, "new"),
        ({"Status": "Working"}, "open"),
        ({"Status": "Escalated"}, "open"),
        ({"Status": "On Hold"}, "hold"),
        ({"Status": "In Bearbeitung"}, "open"),
        ({"Status": None}, "open"),
        ({"Status": "Erledigt", "IsClosed": True, "ClosedDate": CHANGED}, "closed"),
        ({"Status": "New", "IsClosed": True, "ClosedDate": CHANGED}, "closed"),
    ],
)
def test_cases_say_themselves_whether_they_are_closed(values: Row, status: str) -> None:
    case = one("cases", case_row(**values))
    assert case.status == status
    assert case.solved_at == (LATELY if status == "closed" else None)


def test_an_end_that_nobody_understands_leaves_the_status_to_decide() -> None:
    mapped = PLAIN.apply("crm", "cases", [case_row(IsClosed="perhaps", Status="On Hold")], NOW)
    assert [record.status for record in mapped.records] == ["hold"]  # type: ignore[attr-defined]  # a ticket
    assert mapped.warnings == {"status: not one of false, true": 1}


@pytest.mark.parametrize(
    ("word", "priority"), [("Low", "low"), ("Medium", "normal"), ("High", "high"), ("Critical", "urgent"), (None, None)]
)
def test_priorities_of_cases(word: str | None, priority: str | None) -> None:
    assert one("cases", case_row(Priority=word)).priority == priority


def test_a_word_for_a_priority_that_only_they_know_is_left_out_and_counted() -> None:
    mapped = PLAIN.apply("crm", "cases", [case_row(Priority="P1")], NOW)
    assert [record.priority for record in mapped.records] == [None]  # type: ignore[attr-defined]  # a ticket
    assert mapped.warnings.total() == 1


def test_a_task() -> None:
    assert one("tasks", task_row()) == Activity(
        source="crm",
        source_id="00THf000000000FIAQ",
        updated_at=LATELY,
        account_ref=ACME,
        contact_ref=ANN,
        activity="task",
        at=MADE,
        closed=False,
        task_key="rescue-1",
    )


def test_a_task_that_is_done_says_when() -> None:
    task = one("tasks", task_row(IsClosed=True, CompletedDateTime="2026-10-31T08:30:00.000+0000"))
    assert (task.closed, task.at) == (True, datetime(2026, 10, 31, 8, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("word", "activity"),
    [("Call", "call"), ("Email", "email"), ("ListEmail", "email"), ("Cadence", "task"), (None, "task")],
)
def test_calls_and_mails_are_tasks_in_salesforce(word: str | None, activity: str) -> None:
    assert one("tasks", task_row(TaskSubtype=word)).activity == activity


def test_a_task_may_speak_of_a_lead_who_is_no_contact() -> None:
    assert one("tasks", task_row(WhoId="00QHf000000000QIAQ")).contact_ref is None


def test_tasks_of_no_account_are_not_kept_even_if_they_had_one() -> None:
    for row in (task_row(AccountId=None), as_text(task_row(AccountId=None))):
        mapped = PLAIN.apply("crm", "tasks", [row], NOW)
        assert (mapped.records, mapped.deleted) == ([], ["00THf000000000FIAQ"])


def test_a_task_before_our_key_is_a_field() -> None:
    row = task_row()
    del row["Holdfast_Task_Key__c"]
    assert one("tasks", row).task_key is None


@pytest.mark.parametrize(
    ("kind", "score", "expected"),
    [
        ("NPS", 9.0, ("nps", 9, 0, 10, True)),
        ("NPS", 8.0, ("nps", 8, 0, 10, None)),
        ("NPS", 7, ("nps", 7, 0, 10, None)),
        ("NPS", 6.0, ("nps", 6, 0, 10, False)),
        ("NPS", 0.0, ("nps", 0, 0, 10, False)),
        ("CSAT", 5.0, ("csat", 5, 1, 5, True)),
        ("CSAT", 4.0, ("csat", 4, 1, 5, True)),
        ("CSAT", 3.0, ("csat", 3, 1, 5, None)),
        ("CSAT", 2.0, ("csat", 2, 1, 5, False)),
        ("CES", 5.0, ("ces", 5, 1, 7, True)),
        ("CES", 4.0, ("ces", 4, 1, 7, None)),
        ("CES", 3.0, ("ces", 3, 1, 7, False)),
    ],
)
def test_answers(kind: str, score: float, expected: tuple[Any, ...]) -> None:
    answer = one("survey_responses", answer_row(Survey_Type__c=kind, Score__c=score))
    assert (answer.survey, answer.score, answer.scale_min, answer.scale_max, answer.satisfied) == expected
    assert (answer.account_ref, answer.contact_ref) == (ACME, ANN)
    assert answer.responded_at == datetime(2026, 10, 30, 9, tzinfo=UTC)


def test_answers_that_nobody_can_place_on_a_scale_are_refused() -> None:
    rows = [answer_row(Survey_Type__c="Exit"), answer_row(Score__c=11.0), answer_row(Score__c=None)]
    mapped = PLAIN.apply("crm", "survey_responses", rows, NOW)
    assert mapped.records == []
    assert ["survey: 'Exit'" in mapped.rejects[0].reason, "score: 11 is not" in mapped.rejects[1].reason] == [
        True,
        True,
    ]
    assert mapped.rejects[2].reason == "score: is missing"


# -- who is a customer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "lifecycle"),
    [
        ("Customer - Direct", "customer"),
        ("Customer - Channel", "customer"),
        ("Customer", "customer"),
        ("customer", "customer"),
        ("Former Customer", "other"),
        ("Prospect", "prospect"),
        ("Technology Partner", "partner"),
        ("Other", "other"),
        ("Their own word", "other"),
        (None, None),
    ],
)
def test_the_type_of_an_account_says_whether_it_is_scored(word: str | None, lifecycle: str | None) -> None:
    """The card's rule is COALESCE(lifecycle, 'customer') IN ('customer', 'evangelist')."""
    assert one("accounts", account_row(Type=word)).lifecycle == lifecycle


# -- money ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 1250), ("KWD", 1250500), ("EUR", 125050), (None, 125050)])
def test_amounts_depend_on_the_currency_of_the_row(currency: str | None, minor: int) -> None:
    row = account_row(CurrencyIsoCode=currency, MRR__c=1250.5 if minor > 1250 else 1250.0)
    assert one("accounts", row).mrr == minor


@pytest.mark.parametrize(("stream", "row"), [("accounts", account_row()), ("opportunities", opportunity_row())])
def test_an_org_with_one_currency_says_it_once(stream: str, row: Row) -> None:
    single = {name: value for name, value in row.items() if name != "CurrencyIsoCode"} | {"_currency": "JPY"}
    assert one(stream, single).currency == "JPY"


@pytest.mark.parametrize("written", [125000.5, "125000.50", "1.250005E5"])
def test_amounts_in_every_notation(written: Any) -> None:
    assert one("opportunities", opportunity_row(Amount=written)).amount == 12500050


# -- points in time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-01T10:00:00.000+0000",
        "2026-11-01T10:00:00.000Z",
        "2026-11-01T12:00:00.000+02:00",
        "2026-11-01T10:00:00Z",
    ],
)
def test_points_in_time_in_every_notation(written: str) -> None:
    assert one("accounts", account_row(SystemModstamp=written)).updated_at == LATELY


# -- what an org adds -----------------------------------------------------------------------------------------------


def test_without_overrides_only_standard_fields_are_asked_for() -> None:
    ours = {path for stream in PLAIN.streams for path in PLAIN.paths(stream) if path.endswith("__c")}
    assert ours == {
        "Holdfast_Task_Key__c",
        *("Account__c", "Contact__c", "Responded_At__c", "Score__c", "Survey_Type__c"),
    }
    assert PLAIN.paths("accounts") == [
        *("CreatedDate", "CurrencyIsoCode", "Id", "Name", "OwnerId", "ParentId", "SystemModstamp", "Type", "Website"),
    ]
    account = one("accounts", account_row(), PLAIN)
    assert (account.plan, account.mrr, account.renewal_date, account.domains) == (None, None, None, ("acme.example",))


def test_the_fields_of_parents_are_asked_for_by_their_whole_path() -> None:
    assert "Opportunity.AccountId" in PLAIN.paths("contact_roles")
    layer = {"cases": {"copy_of": "Parent.Zendesk_Ticket_Id__c", "account_ref": ["AccountId", "Contact.AccountId"]}}
    paths = FieldMap.load("salesforce", layer).paths("cases")
    assert {"Parent.Zendesk_Ticket_Id__c", "Contact.AccountId"} <= set(paths)


def test_what_an_override_names_is_asked_for_and_what_it_replaces_is_not() -> None:
    layer = {"accounts": {"lifecycle": "Stage__c", "parent_id": ""}}
    assert {"Stage__c"} == set(FieldMap.load("salesforce", layer).paths("accounts")) - set(PLAIN.paths("accounts"))
    assert not {"Type", "ParentId"} & set(FieldMap.load("salesforce", layer).paths("accounts"))


def test_the_examples_at_the_top_of_the_map_work() -> None:
    text = (Path(__file__).parents[2] / "mapping" / "salesforce.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    layers = tomllib.loads("\n".join(lines))["crm"]["fields"]
    fields = FieldMap.load("salesforce", layers, prefix="crm.fields")
    row = answer_row()
    del row["Survey_Type__c"]
    assert "Survey_Type__c" not in fields.paths("survey_responses")
    assert one("survey_responses", row, fields).survey == "nps"
    assert one("cases", case_row(Zendesk_Ticket_Id__c="35"), fields).copy_of == "35"
    assert one("accounts", account_row(Stage__c="Live"), fields).lifecycle == "customer"
    private = contact_row(Other_Emails__c=None, Private_Email__c="ann@home.example")
    assert one("contacts", private, fields).other_emails == ("ann@home.example",)


def test_every_name_of_a_survey_s_fields_can_be_another() -> None:
    layer = {
        "survey": "const:csat",
        "score": "Stars__c",
        "scale_min": "const:1",
        "scale_max": "const:5",
        "satisfied": {"path": "Happy__c", "values": {"Yes": True, "No": False}},
        "responded_at": "CreatedDate",
        "contact_ref": "Person__c",
        "account_ref": "Company__c",
    }
    fields = FieldMap.load("salesforce", {"survey_responses": layer})
    asked = [*("Company__c", "CreatedDate", "Happy__c", "Id", "Person__c", "Stars__c", "SystemModstamp")]
    assert fields.paths("survey_responses") == asked
    row = salesforce_row("a01", Stars__c=4.0, Happy__c="No", CreatedDate=CHANGED, Person__c=ANN, Company__c=ACME)
    answer = one("survey_responses", row, fields)
    assert isinstance(answer, SurveyResponse)
    assert (answer.satisfied, answer.score, answer.account_ref, answer.responded_at) == (False, 4, ACME, LATELY)


@pytest.mark.parametrize("written", [ACME, ACME[:15], f" {ACME[:15]} "])
def test_a_reference_in_a_field_of_text_may_be_the_shorter_form(written: str) -> None:
    line = {"path": "Account_Id__c", "as": "salesforce_id"}
    fields = FieldMap.load("salesforce", {"cases": {"account_ref": line}, "contacts": {"account_refs": line}})
    assert one("cases", case_row(Account_Id__c=written), fields).account_ref == ACME
    assert one("contacts", contact_row(Account_Id__c=written), fields).account_refs == (ACME,)


def test_only_answers_can_be_read_by_their_score() -> None:
    with pytest.raises(FieldMapError, match=r"active is read as bool or stage_closed or stage_won"):
        FieldMap.load("salesforce", {"users": {"active": {"path": "X__c", "as": "by_score"}}})
