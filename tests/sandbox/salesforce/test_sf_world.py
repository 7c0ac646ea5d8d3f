"""The same world as HubSpot tells it, in Salesforce's words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from sandbox.core import Sandbox, hubspot_company_id, hubspot_contact_id
from sandbox.hubspot_render import Bases, to_ms
from sandbox.salesforce_base import ADMINISTRATOR
from sandbox.salesforce_derived import add_months
from sandbox.salesforce_ids import account_id, contact_id
from sandbox.salesforce_render import CONTACT, opportunity_id, user_id


@pytest.fixture(scope="module")
def bases(wide_world: Any) -> Bases:
    return Bases(wide_world)


@pytest.fixture
def wide(make_client: Callable[..., Any], wide_world: Any) -> Any:
    return make_client(wide_world)


def rows(sf: Any, kind: str) -> list[dict[str, Any]]:
    """Every living record with every field."""
    table, now = sf.org.tables[kind], sf.org.now
    readers = {field.name: table.reader(field.name) for field in table.object}
    return [{name: read(place, now) for name, read in readers.items()} for place in table.places(now)]


def test_both_crms_know_the_same_records_with_the_same_stamps(wide_world: Any) -> None:
    both = Sandbox(wide_world, vendors=("hubspot", "salesforce"))
    truth = both.truth()
    for kind in ("account", "contact"):
        assert sorted(truth["hubspot"][kind].values()) == sorted(truth["salesforce"][kind].values())
    for world_id in (1, 2, 3):
        hubspot, salesforce = both.hubspot.portal, both.salesforce.org
        for there, hub_id, here, sf_id in (
            ("companies", hubspot_company_id(world_id), "Account", account_id(world_id)),
            ("contacts", hubspot_contact_id(world_id), "Contact", contact_id(world_id)),
        ):
            place, other = hubspot.tables[there].position(hub_id), salesforce.tables[here].place(sf_id)
            stamp = hubspot.tables[there].modified(place, hubspot.now)
            assert salesforce.tables[here].stamp(other, salesforce.now) == stamp // 1000 * 1000


def test_accounts(wide: Any) -> None:
    by_id = {row["Id"]: row for row in rows(wide, "Account")}
    companies = {c.id: c for c in wide.world.companies}
    for company in companies.values():
        row = by_id.get(account_id(company.id))
        if company.created_at > wide.world.now:
            assert row is None
            continue
        assert row is not None
        assert row["Name"] == company.name
        assert row["MRR__c"] == company.mrr / 100
        assert row["CurrencyIsoCode"] == company.currency
        assert row["OwnerId"] == user_id(company.owner_id)
        assert row["Website"] == (f"https://www.{company.domains[0]}/" if company.domains else None)
        assert row["Domains__c"] == (";".join(company.domains[1:]) or None)
        assert row["ParentId"] == (account_id(company.parent_id) if company.parent_id else None)
        assert row["Product_Account_Id__c"] == (company.product_id if company.crm_has_product_id else None)
        left = company.churn_date is not None and company.churn_date < wide.world.now.date() - timedelta(days=1)
        assert row["Type"] == "Former Customer" or not left
    assert any(row["Type"] == "Former Customer" for row in by_id.values())
    assert any(row["ParentId"] for row in by_id.values())
    assert any(row["Domains__c"] for row in by_id.values())


def test_contacts_always_have_a_last_name(wide: Any) -> None:
    people = {contact_id(p.id): p for p in wide.world.people}
    found = rows(wide, "Contact")
    assert len(found) > 4000
    for row in found:
        person = people[row["Id"]]
        assert person.in_crm
        assert row["LastName"]
        assert row["Email"] == person.email
        assert row["AccountId"] == account_id(person.company_id)
        assert row["Other_Emails__c"] == (";".join(person.other_emails) or None)
        assert row["Name"] == " ".join(part for part in (row["FirstName"], row["LastName"]) if part)
    assert any(row["Product_User_Id__c"] for row in found)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ann Lee", ("Ann", "Lee")),
        ("Ann van Lee", ("Ann", "van Lee")),
        ("Cher", (None, "Cher")),
        (" ", (None, "Unknown")),
    ],
)
def test_a_single_name_is_the_last_one(wide: Any, name: str, parts: tuple[str | None, str]) -> None:
    person = replace(wide.world.people[0], name=name)
    assert (CONTACT["FirstName"](person, 0), CONTACT["LastName"](person, 0)) == parts


def test_relations_tell_who_also_works_elsewhere(wide: Any) -> None:
    direct, indirect = {}, set()
    for row in rows(wide, "AccountContactRelation"):
        if row["IsDirect"]:
            direct[row["ContactId"]] = row["AccountId"]
        else:
            indirect.add((row["ContactId"], row["AccountId"]))
    assert direct == {row["Id"]: row["AccountId"] for row in rows(wide, "Contact")}
    there = {row["Id"] for row in rows(wide, "Contact")}
    wanted = {(contact_id(p.id), account_id(c)) for p in wide.world.people if p.in_crm for c in p.other_company_ids}
    assert indirect == {pair for pair in wanted if pair[0] in there} != set()


def test_opportunities_close_as_the_deals_do(wide: Any) -> None:
    by_id = {row["Id"]: row for row in rows(wide, "Opportunity")}
    for deal in wide.world.deals:
        row = by_id.get(opportunity_id(deal.id))
        if deal.created_at > wide.world.now:
            assert row is None
            continue
        assert row is not None
        closed = deal.closed_at is not None and deal.closed_at <= wide.world.now
        assert (row["IsClosed"], row["IsWon"]) == (closed, closed and deal.won)
        assert row["StageName"].startswith("Closed") == closed
        assert row["Type"] == ("Existing Business" if deal.renewal else "New Business")
        assert row["CloseDate"] == (deal.closed_at.date() if closed else deal.close_date).isoformat()
        assert (row["Amount"], row["AccountId"]) == (deal.amount / 100, account_id(deal.company_id))
    assert {row["IsWon"] for row in by_id.values() if row["IsClosed"]} == {True, False}


def test_buyers_and_sponsors_have_a_role_on_their_companys_first_sale(wide: Any, bases: Bases) -> None:
    found = rows(wide, "OpportunityContactRole")
    words = {"economic_buyer": "Economic Buyer", "executive_sponsor": "Executive Sponsor"}
    people = {contact_id(p.id): p for p in wide.world.people}
    for row in found:
        person = people[row["ContactId"]]
        assert row["Role"] == words[person.role]
        assert row["OpportunityId"] == opportunity_id(bases.deals_of[person.company_id][0])
        assert row["IsPrimary"] == (person.role == "economic_buyer")
    wanted = [p for p in bases.people.values() if p.role in words and p.created_at <= wide.world.now]
    assert {row["ContactId"] for row in found} == {contact_id(p.id) for p in wanted}


def test_contracts_end_at_the_renewal(wide: Any) -> None:
    companies = {account_id(c.id): c for c in wide.world.companies}
    found = rows(wide, "Contract")
    assert 100 < len(found) < len(companies)
    for row in found:
        company = companies[row["AccountId"]]
        assert company.mrr > 0
        assert (row["Status"], row["EndDate"]) == ("Activated", company.renewal_date.isoformat())
    assert len({row["ContractNumber"] for row in found}) == len(found)


def test_an_edited_contract_ends_by_its_own_term(wide: Any) -> None:
    contract = rows(wide, "Contract")[0]["Id"]
    wide.mutate("edit", id=contract, values={"StartDate": "2026-01-31", "ContractTerm": 1})
    assert wide.value(contract, "EndDate") == "2026-02-27"
    wide.mutate("edit", id=contract, values={"ContractTerm": None})
    assert wide.value(contract, "EndDate") is None


def test_months_end_where_there_is_no_such_day() -> None:
    assert add_months(date(2027, 1, 31), 13) == date(2028, 2, 29)
    assert add_months(date(2026, 12, 15), 1) == date(2027, 1, 15)


def test_an_org_may_have_no_contracts(make_client: Callable[..., Any]) -> None:
    assert rows(make_client(contracts=False), "Contract") == []


def test_cases_are_the_tickets_made_by_hand(wide: Any, bases: Bases) -> None:
    now = wide.org.now
    wanted = sorted((t for t in bases.tickets.values() if t.created_at <= now), key=lambda t: t.id)
    found = rows(wide, "Case")
    assert len(found) == len(wanted) > 0
    for row, ticket in zip(found, wanted, strict=True):
        end = ticket.closed_at if ticket.closed_at is not None and ticket.closed_at <= now else None
        assert row["CreatedDate"] == ticket.created_at // 1000 * 1000
        assert row["IsClosed"] == (row["Status"] == "Closed") == (end is not None)
        assert row["ClosedDate"] == (None if end is None else end // 1000 * 1000)
        assert row["Priority"] == (ticket.priority and ticket.priority.capitalize())
        assert row["AccountId"] == account_id(ticket.company_id)
        assert row["Zendesk_Ticket_Id__c"] is None


def test_copies_of_help_desk_tickets_name_the_original(make_client: Callable[..., Any]) -> None:
    sf = make_client(zendesk_cases=0.5)
    copies = [row for row in rows(sf, "Case") if row["Zendesk_Ticket_Id__c"]]
    there = [t for t in sf.world.tickets if t.created_at <= sf.world.now]
    assert 0.4 * len(there) < len(copies) < 0.6 * len(there)
    for row in copies:
        ticket = sf.world.tickets[int(row["Zendesk_Ticket_Id__c"]) - 100]
        solved = ticket.solved_at is not None and ticket.solved_at <= sf.world.now
        assert row["IsClosed"] == solved
        assert row["CreatedDate"] == to_ms(ticket.created_at) // 1000 * 1000
        assert row["AccountId"] in {None, account_id(ticket.company_id)}
        assert row["ContactId"] in {None, contact_id(ticket.person_id)}
        assert row["AccountId"] or row["ContactId"]
    assert any(row["AccountId"] is None for row in copies)
    assert any(row["ContactId"] is None for row in copies)
    assert any(row["Priority"] is None for row in copies)


def test_answers_are_the_same_as_the_survey_tools(wide: Any, bases: Bases) -> None:
    found = rows(wide, "NPS_Response__c")
    wanted = sorted((a for a in wide.world.nps if a.at <= wide.world.now), key=lambda a: a.id)
    assert len(found) == len(wanted)
    for row, answer in zip(found, wanted, strict=True):
        assert (row["Score__c"], row["Survey_Type__c"]) == (float(answer.score), "NPS")
        assert row["Responded_At__c"] == to_ms(answer.at) // 1000 * 1000
        assert row["Account__c"] == account_id(answer.company_id)
        assert row["Contact__c"] == (contact_id(answer.person_id) if answer.person_id in bases.people else None)


def test_users_are_the_owners_and_two_that_are_nobodys(wide: Any) -> None:
    found = {row["Id"]: row for row in rows(wide, "User")}
    assert len(found) == len(wide.world.owners) + 2
    for owner in wide.world.owners:
        row = found[user_id(owner.id)]
        assert (row["Name"], row["Email"], row["IsActive"]) == (owner.name, owner.email, owner.active)
    assert not any(row["OwnerId"] == wide.org.tables["User"].id_at(0) for row in rows(wide, "Account"))
    assert found[ADMINISTRATOR]["Name"] == "Org Administrator"


def test_the_organization_and_task_statuses(make_client: Callable[..., Any]) -> None:
    (row,) = rows(make_client(is_sandbox=True, organization_type="Developer Edition"), "Organization")
    assert (row["IsSandbox"], row["OrganizationType"], row["Id"][:3]) == (True, "Developer Edition", "00D")
    statuses = rows(make_client(), "TaskStatus")
    assert [s["MasterLabel"] for s in statuses if s["IsClosed"]] == ["Completed"]


def test_truth_names_whom_a_duplicate_repeats(wide: Any) -> None:
    truth = wide.vendor.truth()["contact"]
    twin = next(p for p in wide.world.people if p.duplicate_of and p.in_crm and p.created_at <= wide.world.now)
    assert truth[contact_id(twin.id)] == twin.duplicate_of
