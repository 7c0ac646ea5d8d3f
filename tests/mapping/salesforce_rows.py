"""Salesforce rows for tests: as its REST interface sends them, and the same as the text of a bulk result."""

from datetime import UTC, datetime
from typing import Any

from mapping.fields import FieldMap
from tests.mapping.rows import NOW, Row

ACME, BETA = "001Hf000000000HIAQ", "001Hf000000000OIAQ"
ANN = "003Hf000000000DIAQ"
RENEWAL = "006Hf000000000JIAQ"
SAM = "005Hf00000000ANIAY"

CREATED = "2025-03-01T10:00:00.000+0000"
CHANGED = "2026-11-01T10:00:00.000+0000"
MADE, LATELY = datetime(2025, 3, 1, 10, tzinfo=UTC), datetime(2026, 11, 1, 10, tzinfo=UTC)
"""The same two, read."""

OVERRIDES: dict[str, Any] = {
    "accounts": {
        "domains": ["Website", "Domains__c"],
        "plan": "Plan__c",
        "mrr": "MRR__c",
        "customer_since": "Customer_Since__c",
        "renewal_date": "Renewal_Date__c",
        "external_ids": {"product": "Product_Account_Id__c"},
    },
    "contacts": {"other_emails": "Other_Emails__c", "external_ids": {"product": "Product_User_Id__c"}},
}
"""What an admin adds for an org with these fields of its own."""

PLAIN = FieldMap.load("salesforce")
OURS = FieldMap.load("salesforce", OVERRIDES, prefix="crm.fields")


def salesforce_row(record_id: str, /, **values: Any) -> Row:
    """A record with what every query asks for."""
    return {"Id": record_id, "SystemModstamp": CHANGED, "IsDeleted": False, **values}


def account_row(**values: Any) -> Row:
    """A customer with every field that the map and `OVERRIDES` read."""
    given: Row = {
        "Name": "Acme",
        "Website": "https://www.Acme.example/",
        "Domains__c": "acme-group.example;acme.example",
        "OwnerId": SAM,
        "ParentId": BETA,
        "Type": "Customer - Direct",
        "Plan__c": "team",
        "MRR__c": 1250.5,
        "CurrencyIsoCode": "EUR",
        "Customer_Since__c": "2024-02-29",
        "Renewal_Date__c": "2056-02-28",
        "Product_Account_Id__c": "0042",
        "CreatedDate": CREATED,
        "MasterRecordId": None,
        "Holdfast_Health_Score__c": 71.0,
    }
    return salesforce_row(ACME, **{**given, **values})


def contact_row(**values: Any) -> Row:
    """A contact of Acme."""
    given: Row = {
        "Email": "Ann@Acme.example",
        "Other_Emails__c": "ann@old.example;ANN@acme.example",
        "AccountId": ACME,
        "OwnerId": SAM,
        "Title": "Head of Things",
        "HasOptedOutOfEmail": False,
        "DoNotCall": True,
        "Product_User_Id__c": "usr_1",
        "CreatedDate": CREATED,
        "MasterRecordId": None,
    }
    return salesforce_row(ANN, **{**given, **values})


def opportunity_row(**values: Any) -> Row:
    """A renewal under way."""
    given: Row = {
        "AccountId": ACME,
        "Name": "Renewal 2027",
        "StageName": "Negotiation/Review",
        "IsClosed": False,
        "IsWon": False,
        "Amount": 15000.0,
        "CurrencyIsoCode": "EUR",
        "CloseDate": "2027-01-31",
        "Type": "Existing Business",
        "OwnerId": SAM,
        "CreatedDate": CREATED,
    }
    return salesforce_row(RENEWAL, **{**given, **values})


def case_row(**values: Any) -> Row:
    """An open case."""
    given: Row = {
        "AccountId": ACME,
        "ContactId": ANN,
        "Status": "Working",
        "IsClosed": False,
        "Priority": "Medium",
        "CreatedDate": CREATED,
        "ClosedDate": None,
    }
    return salesforce_row("500Hf000000000GIAQ", **{**given, **values})


def task_row(**values: Any) -> Row:
    """One of our tasks, not yet done."""
    given: Row = {
        "AccountId": ACME,
        "WhoId": ANN,
        "TaskSubtype": "Task",
        "CallType": None,
        "IsClosed": False,
        "CompletedDateTime": None,
        "CreatedDate": CREATED,
        "Holdfast_Task_Key__c": "rescue-1",
    }
    return salesforce_row("00THf000000000FIAQ", **{**given, **values})


def answer_row(**values: Any) -> Row:
    """An answer to the NPS question."""
    given: Row = {
        "Account__c": ACME,
        "Contact__c": ANN,
        "Score__c": 9.0,
        "Survey_Type__c": "NPS",
        "Responded_At__c": "2026-10-30T09:00:00.000+0000",
    }
    return salesforce_row("a00Hf000000000KIAQ", **{**given, **values})


def mail_row(**values: Any) -> Row:
    """An e-mail of ours that was opened."""
    given: Row = {
        "RelatedToId": "006Hf000000000DIAQ",
        "Activity": {"AccountId": ACME, "WhoId": ANN},
        "Incoming": False,
        "MessageDate": "2026-10-30T09:00:00.000+0000",
        "Status": "3",
        "IsTracked": True,
        "LastOpenedDate": "2026-10-31T08:30:00.000+0000",
    }
    return salesforce_row("02sHf000000000MIAQ", **{**given, **values})


OTHER_ROWS: dict[str, Row] = {
    "meetings": salesforce_row(
        "00UHf000000000UIAQ", AccountId=ACME, WhoId=ANN, StartDateTime="2026-10-30T09:00:00.000+0000"
    ),
    "users": salesforce_row(SAM, Name="Sam Ray", Email="Sam@Vendor.example", IsActive=False),
    "account_contacts": salesforce_row(
        "07kHf000000000LIAQ", ContactId=ANN, AccountId=BETA, IsDirect=False, IsActive=True
    ),
    "contact_roles": salesforce_row(
        "00KHf000000000MIAQ",
        ContactId=ANN,
        OpportunityId=RENEWAL,
        Opportunity={"AccountId": ACME},
        Role="Economic Buyer",
        IsPrimary=True,
    ),
    "contracts": salesforce_row("800Hf000000000PIAQ", AccountId=ACME, Status="Activated", EndDate="2027-01-31"),
}
"""One row of each of the remaining streams."""


def as_text(value: Any) -> Any:
    """A value as the CSV of a bulk result has it: everything is text, and nothing is empty text."""
    if isinstance(value, dict):
        return {key: as_text(part) for key, part in value.items()}
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace("+0000", "Z")


def one(stream: str, row: Row, fields: FieldMap = OURS) -> Any:
    """The record of a row, which must be the same from both interfaces."""
    made = []
    for written in (row, as_text(row)):
        mapped = fields.apply("crm", stream, [written], NOW)
        assert mapped.rejects == []
        assert mapped.warnings == {}
        (record,) = mapped.records
        made.append(record)
    assert made[0] == made[1]
    return made[0]
