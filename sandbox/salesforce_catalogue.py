"""Every kind of record of the simulated org with its fields: the standard ones, and the org's own custom ones.

A cut-down selection from Salesforce's public object reference. Picklist values are those an org starts with.
"""

from collections.abc import Iterable
from typing import Any

from sandbox.salesforce_types import FieldDef, FieldType, ObjectDef

_FORMS: dict[str, dict[str, Any]] = {
    "longtextarea": {"filterable": False, "sortable": False},
    "textarea": {"filterable": False, "sortable": False},
    "multipicklist": {"sortable": False},
}
_LENGTHS = {"id": 18, "reference": 18, "phone": 40, "url": 255, "picklist": 255, "multipicklist": 4099, "email": 80}


def make(name: str, kind: FieldType, length: int = 0, **extra: Any) -> FieldDef:
    """A field with what its type implies; the label is the name's words unless given."""
    label = extra.pop("label", None) or name.removesuffix("__c").replace("_", " ")
    custom = name.endswith("__c")
    given = {**_FORMS.get(kind, {}), "custom": custom, "universal": bool(extra.get("required")), **extra}
    return FieldDef(name, kind, label, length or _LENGTHS.get(kind, 0), **given)


def fixed(name: str, kind: FieldType, length: int = 0, **extra: Any) -> FieldDef:
    """A field that the API only reads."""
    return make(name, kind, length, createable=False, updateable=False, **extra)


def refer(name: str, *targets: str, relationship: str | None = None, **extra: Any) -> FieldDef:
    """A reference; "AccountId" makes the parent "Account", "Account__c" makes it "Account__r"."""
    called = relationship or (f"{name[:-3]}__r" if name.endswith("__c") else name.removesuffix("Id"))
    return make(name, "reference", refers_to=targets, relationship=called, **extra)


def fixed_refer(name: str, *targets: str, **extra: Any) -> FieldDef:
    """A reference that the API only reads."""
    return refer(name, *targets, createable=False, updateable=False, **extra)


def system_fields(*, deleted: bool = True, master: str = "") -> list[FieldDef]:
    """What every kind of record has: id, stamps, who did it."""
    fields = [fixed("Id", "id", universal=True, id_lookup=True, defaulted=True)]
    if deleted:
        fields.append(fixed("IsDeleted", "boolean", universal=True, defaulted=True))
    if master:
        fields.append(fixed_refer("MasterRecordId", master, universal=True))
    return [
        *fields,
        fixed("CreatedDate", "datetime", universal=True, defaulted=True),
        fixed_refer("CreatedById", "User", universal=True, defaulted=True),
        fixed("LastModifiedDate", "datetime", universal=True, defaulted=True),
        fixed_refer("LastModifiedById", "User", universal=True, defaulted=True),
        fixed("SystemModstamp", "datetime", universal=True, defaulted=True),
    ]


def owner(*targets: str) -> FieldDef:
    """Whose a record is."""
    return refer("OwnerId", *(targets or ("User",)), defaulted=True, universal=True)


_CURRENCY = ("USD", "EUR", "GBP", "JPY")


def _currency() -> FieldDef:
    return make(
        "CurrencyIsoCode", "picklist", 3, values=_CURRENCY, restricted=True, defaulted=True, default="USD",
        universal=True,
    )  # fmt: skip


_TYPES = (
    "Prospect", "Customer - Direct", "Customer - Channel", "Channel Partner / Reseller", "Installation Partner",
    "Technology Partner", "Former Customer", "Other",
)  # fmt: skip
_INDUSTRIES = ("Banking", "Consulting", "Education", "Healthcare", "Manufacturing", "Retail", "Technology", "Other")
STAGES = (
    "Prospecting", "Qualification", "Needs Analysis", "Value Proposition", "Id. Decision Makers",
    "Perception Analysis", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost",
)  # fmt: skip
_DEAL_TYPES = (
    "Existing Customer - Upgrade", "Existing Customer - Replacement", "Existing Customer - Downgrade", "New Customer",
    "Existing Business", "New Business",
)  # fmt: skip
TASK_STATUSES = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
ROLES = ("Business User", "Decision Maker", "Economic Buyer", "Executive Sponsor", "Influencer", "Other")


def _account() -> list[FieldDef]:
    return [
        make("Name", "string", 255, required=True, label="Account Name"),
        make("Type", "picklist", values=_TYPES, label="Account Type"),
        refer("ParentId", "Account"),
        make("Industry", "picklist", values=_INDUSTRIES),
        make("AnnualRevenue", "currency", precision=18, scale=0),
        make("NumberOfEmployees", "int", precision=8),
        make("Website", "url"),
        make("Phone", "phone"),
        make("BillingCountry", "string", 80),
        make("Description", "textarea", 32000),
        owner(),
        make("AccountSource", "picklist"),
        fixed("LastActivityDate", "date"),
        _currency(),
        fixed("IsPersonAccount", "boolean", universal=True, defaulted=True),
        make("Domains__c", "longtextarea", 4000),
        make("Plan__c", "picklist", values=("free", "starter", "team", "business", "enterprise")),
        make("MRR__c", "currency", precision=18, scale=2),
        make("Customer_Since__c", "date"),
        make("Renewal_Date__c", "date"),
        make("Product_Account_Id__c", "string", 80),
        fixed("Days_To_Renewal__c", "double", precision=18, scale=0, calculated=True),
    ]


def _contact() -> list[FieldDef]:
    return [
        refer("AccountId", "Account"),
        make("FirstName", "string", 40, label="First Name"),
        make("LastName", "string", 80, required=True, label="Last Name"),
        fixed("Name", "string", 121, label="Full Name", universal=True),
        make("Email", "email", 80, id_lookup=True),
        make("Title", "string", 128),
        make("Phone", "phone"),
        owner(),
        fixed("LastActivityDate", "date"),
        make("HasOptedOutOfEmail", "boolean", defaulted=True, default=False, label="Email Opt Out"),
        make("DoNotCall", "boolean", defaulted=True, default=False, label="Do Not Call"),
        _currency(),
        fixed("IsPersonAccount", "boolean", universal=True, defaulted=True),
        make("Other_Emails__c", "longtextarea", 4000),
        make("Product_User_Id__c", "string", 80),
    ]


def _opportunity() -> list[FieldDef]:
    return [
        refer("AccountId", "Account"),
        make("Name", "string", 120, required=True),
        make("StageName", "picklist", values=STAGES, required=True, label="Stage"),
        make("Amount", "currency", precision=18, scale=2),
        make("Probability", "percent", precision=3, scale=0),
        make("CloseDate", "date", required=True),
        make("Type", "picklist", values=_DEAL_TYPES),
        fixed("IsClosed", "boolean", defaulted=True, universal=True),
        fixed("IsWon", "boolean", defaulted=True, universal=True),
        make("ForecastCategoryName", "picklist"),
        refer("ContractId", "Contract"),
        owner(),
        _currency(),
    ]


def _case() -> list[FieldDef]:
    return [
        fixed("CaseNumber", "string", 30, universal=True, id_lookup=True, defaulted=True),
        refer("AccountId", "Account"),
        refer("ContactId", "Contact"),
        make("Subject", "string", 255),
        make("Description", "textarea", 32000),
        make("Status", "picklist", values=("New", "Working", "Escalated", "Closed"), defaulted=True, default="New"),
        make("Priority", "picklist", values=("High", "Medium", "Low"), defaulted=True, default="Medium"),
        make("Origin", "picklist", values=("Phone", "Email", "Web")),
        make("Type", "picklist"),
        make("Reason", "picklist"),
        fixed("IsClosed", "boolean", defaulted=True, universal=True),
        make("IsEscalated", "boolean", defaulted=True, default=False),
        fixed("ClosedDate", "datetime"),
        owner("User", "Group"),
        make("Zendesk_Ticket_Id__c", "string", 40),
    ]


def _task() -> list[FieldDef]:
    filled: dict[str, Any] = {"required": True, "defaulted": True}
    return [
        make("Subject", "combobox", 255, values=("Call", "Send Letter", "Send Quote", "Other")),
        refer("WhoId", "Contact", "Lead"),
        refer("WhatId", "Account", "Opportunity", "Case", "Contract", "NPS_Response__c"),
        fixed_refer("AccountId", "Account"),
        make("ActivityDate", "date", label="Due Date Only"),
        make("Status", "picklist", values=TASK_STATUSES, default="Not Started", **filled),
        make("Priority", "picklist", values=("High", "Normal", "Low"), default="Normal", **filled),
        make("Description", "textarea", 32000),
        owner("User", "Group"),
        make("Type", "picklist"),
        make(
            "TaskSubtype", "picklist", values=("Task", "Email", "Call", "ListEmail", "Cadence"), default="Task",
            defaulted=True, updateable=False,
        ),
        make("CallType", "picklist", 40, values=("Internal", "Inbound", "Outbound"), restricted=True),
        fixed("IsClosed", "boolean", defaulted=True, universal=True),
        fixed("IsHighPriority", "boolean", defaulted=True),
        fixed("IsArchived", "boolean", defaulted=True, universal=True),
        fixed("CompletedDateTime", "datetime"),
        make("IsReminderSet", "boolean", defaulted=True, default=False),
        make("ReminderDateTime", "datetime"),
        _currency(),
    ]  # fmt: skip


def _contract() -> list[FieldDef]:
    statuses = ("In Approval Process", "Activated", "Draft")
    return [
        refer("AccountId", "Account", required=True),
        make("Status", "picklist", values=statuses, required=True, defaulted=True, default="Draft", restricted=True),
        make("StartDate", "date"),
        make("ContractTerm", "int", precision=8),
        fixed("EndDate", "date", calculated=True),
        fixed("ContractNumber", "string", 30, universal=True, id_lookup=True, defaulted=True),
        owner(),
        _currency(),
    ]


def _contact_role() -> list[FieldDef]:
    return [
        refer("OpportunityId", "Opportunity", required=True, updateable=False),
        refer("ContactId", "Contact", required=True),
        make("Role", "picklist", values=ROLES),
        make("IsPrimary", "boolean", defaulted=True, default=False),
        _currency(),
    ]


def _relation() -> list[FieldDef]:
    return [
        refer("AccountId", "Account", required=True, updateable=False),
        refer("ContactId", "Contact", required=True, updateable=False),
        make("Roles", "multipicklist", values=ROLES),
        fixed("IsDirect", "boolean", defaulted=True),
        make("IsActive", "boolean", defaulted=True, default=True),
    ]


def _user() -> list[FieldDef]:
    return [
        make("Username", "string", 80, required=True, id_lookup=True),
        make("Email", "email", 128, required=True, id_lookup=True),
        make("FirstName", "string", 40),
        make("LastName", "string", 80, required=True),
        fixed("Name", "string", 121, universal=True),
        make("IsActive", "boolean", defaulted=True, default=True, universal=True),
        make("UserType", "picklist", values=("Standard",), restricted=True, createable=False, updateable=False),
        make("ProfileId", "string", 18, required=True),
        make("TimeZoneSidKey", "picklist", values=("America/New_York", "Europe/Berlin"), required=True),
        make("LanguageLocaleKey", "picklist", values=("en_US", "de"), required=True),
    ]


def _organization() -> list[FieldDef]:
    return [
        fixed("Name", "string", 80),
        fixed("IsSandbox", "boolean"),
        fixed("OrganizationType", "picklist"),
        fixed("InstanceName", "string", 5),
        fixed("TimeZoneSidKey", "picklist"),
        fixed("DefaultCurrencyIsoCode", "string", 3),
    ]


def _permissions(*rights: str) -> list[FieldDef]:
    return [make(f"Permissions{right}", "boolean", defaulted=True, default=False) for right in rights]


SYSTEM_RIGHTS = (
    "ApiEnabled", "CustomizeApplication", "ViewSetup", "AssignPermissionSets", "ModifyMetadata", "ViewAllData",
    "ManageUsers", "BulkApiHardDelete", "ModifyAllData",
)  # fmt: skip
OBJECT_RIGHTS = ("Read", "Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")


def _permission_set() -> list[FieldDef]:
    return [
        make("Name", "string", 80, required=True, unique=True),
        make("Label", "string", 80, required=True),
        make("Description", "string", 255),
        fixed("IsOwnedByProfile", "boolean", defaulted=True),
        fixed("IsCustom", "boolean", defaulted=True),
        fixed("ProfileId", "string", 18),
        make("LicenseId", "string", 18, updateable=False),
        *_permissions(*SYSTEM_RIGHTS),
    ]


def _assignment() -> list[FieldDef]:
    return [
        refer("AssigneeId", "User", required=True, updateable=False),
        refer("PermissionSetId", "PermissionSet", required=True, updateable=False),
        make("IsActive", "boolean", createable=False, updateable=False, defaulted=True),
    ]


def _parented(field: FieldDef | None, *rights: str) -> list[FieldDef]:
    return [
        refer("ParentId", "PermissionSet", required=True, updateable=False),
        make("SobjectType", "picklist", 40, required=True, updateable=False),
        *((field,) if field is not None else ()),
        *_permissions(*rights),
    ]


def _survey() -> list[FieldDef]:
    return [
        fixed("Name", "string", 80, universal=True, defaulted=True, id_lookup=True),
        owner(),
        refer("Account__c", "Account"),
        refer("Contact__c", "Contact"),
        make("Score__c", "double", precision=3, scale=0),
        make("Survey_Type__c", "picklist", values=("NPS", "CSAT", "CES")),
        make("Responded_At__c", "datetime"),
        _currency(),
    ]


def _object(definition: ObjectDef, *parts: Iterable[FieldDef]) -> ObjectDef:
    for part in parts:
        definition.add(part)
    return definition


def catalogue(*, multi_currency: bool, multiple_accounts: bool, person_accounts: bool) -> dict[str, ObjectDef]:
    """The org's kinds of record, made afresh.

    Args:
        multi_currency: Whether rows with money carry `CurrencyIsoCode`, and the org a default currency.
        multiple_accounts: Whether Contacts to Multiple Accounts is on, so that `AccountContactRelation` exists.
        person_accounts: Whether `IsPersonAccount` exists.
    """
    field_name = make("Field", "picklist", 255, required=True, updateable=False)
    made = [
        _object(ObjectDef("Account", "001", "Account", mergeable=True), system_fields(master="Account"), _account()),
        _object(ObjectDef("Contact", "003", "Contact", mergeable=True), system_fields(master="Contact"), _contact()),
        _object(ObjectDef("Opportunity", "006", "Opportunity"), system_fields(), _opportunity()),
        _object(ObjectDef("Case", "500", "Case"), system_fields(), _case()),
        _object(ObjectDef("Task", "00T", "Task", custom_on="Activity"), system_fields(), _task()),
        _object(ObjectDef("Contract", "800", "Contract"), system_fields(), _contract()),
        _object(
            ObjectDef("OpportunityContactRole", "00K", "Opportunity Contact Role"), system_fields(), _contact_role()
        ),
        _object(ObjectDef("AccountContactRelation", "07k", "Account Contact Relation"), system_fields(), _relation()),
        _object(ObjectDef("NPS_Response__c", "a00", "NPS Response"), system_fields(), _survey()),
        _object(ObjectDef("User", "005", "User", deletable=False, setup=True), system_fields(deleted=False), _user()),
        _object(
            ObjectDef("Organization", "00D", "Organization", createable=False, deletable=False, setup=True),
            system_fields(deleted=False),
            _organization(),
        ),
        _object(
            ObjectDef("PermissionSet", "0PS", "Permission Set", setup=True),
            system_fields(deleted=False),
            _permission_set(),
        ),
        _object(
            ObjectDef("PermissionSetAssignment", "0Pa", "Permission Set Assignment", updateable=False, setup=True),
            [fixed("Id", "id", universal=True), fixed("SystemModstamp", "datetime", universal=True)],
            _assignment(),
        ),
        _object(
            ObjectDef("ObjectPermissions", "110", "Object Permissions", setup=True),
            system_fields(deleted=False),
            _parented(None, *OBJECT_RIGHTS),
        ),
        _object(
            ObjectDef("FieldPermissions", "01k", "Field Permissions", setup=True),
            [fixed("Id", "id", universal=True), fixed("SystemModstamp", "datetime", universal=True)],
            _parented(field_name, "Read", "Edit"),
        ),
        _object(
            ObjectDef(
                "TaskStatus", "01M", "Task Status Value", bulk=False, createable=False, updateable=False,
                deletable=False, setup=True,
            ),
            system_fields(deleted=False),
            [
                fixed("MasterLabel", "string", 255, universal=True),
                fixed("IsDefault", "boolean", universal=True),
                fixed("IsClosed", "boolean", universal=True),
                fixed("SortOrder", "int", universal=True),
                fixed("ApiName", "string", 255, universal=True),
            ],
        ),
    ]  # fmt: skip
    found = {definition.name: definition for definition in made}
    if not multiple_accounts:
        del found["AccountContactRelation"]
    dropped = [] if multi_currency else ["CurrencyIsoCode", "DefaultCurrencyIsoCode"]
    dropped += [] if person_accounts else ["IsPersonAccount"]
    for definition in found.values():
        definition.custom_on = definition.custom_on or definition.name
        for name in dropped:
            definition.drop(name)
    return found
