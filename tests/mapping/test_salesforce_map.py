"""Salesforce's field map: every stream, from either interface, and what an org adds."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from mapping.schema import (
    Account,
    Activity,
    Contact,
    ContactRole,
    Deal,
    Membership,
    Subscription,
    Ticket,
    User,
)
from tests.mapping.rows import NOW, Row
from tests.mapping.salesforce_rows import (
    ACME,
    ANN,
    BETA,
    CHANGED,
    LATELY,
    MADE,
    OTHER_ROWS,
    OURS,
    PLAIN,
    RENEWAL,
    SAM,
    account_row,
    answer_row,
    as_text,
    case_row,
    contact_row,
    mail_row,
    one,
    opportunity_row,
    task_row,
)

ROWS: dict[str, Row] = {
    **OTHER_ROWS,
    "accounts": account_row(),
    "contacts": contact_row(),
    "opportunities": opportunity_row(),
    "cases": case_row(IsClosed=True, Status="Closed", ClosedDate=CHANGED),
    "tasks": task_row(IsClosed=True, CompletedDateTime=CHANGED),
    "survey_responses": answer_row(),
    "emails": mail_row(),
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
        email_opt_out=False,
        do_not_call=True,
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


@pytest.mark.parametrize(
    ("way", "inbound"), [("Inbound", True), ("Outbound", False), ("Internal", None), ("Cold", None), (None, None)]
)
def test_a_call_says_who_called(way: str | None, *, inbound: bool | None) -> None:
    assert one("tasks", task_row(TaskSubtype="Call", CallType=way)).inbound is inbound


def test_an_e_mail() -> None:
    assert one("emails", mail_row()) == Activity(
        source="crm",
        source_id="02sHf000000000MIAQ",
        updated_at=LATELY,
        account_ref=ACME,
        contact_ref=ANN,
        activity="email",
        inbound=False,
        at=datetime(2026, 10, 30, 9, tzinfo=UTC),
        closed=True,
        tracked=True,
        opened_at=datetime(2026, 10, 31, 8, 30, tzinfo=UTC),
    )


def test_an_e_mail_of_no_task_hangs_on_its_account_and_a_draft_was_not_sent() -> None:
    mail = one("emails", mail_row(RelatedToId=ACME, Activity=None, Status="5", Incoming=True))
    assert (mail.account_ref, mail.contact_ref, mail.closed, mail.inbound) == (ACME, None, False, True)


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
