"""Salesforce's record ids: 15 characters that tell capitals apart, and 3 more that make them safe where nobody does.

The first three name the kind of record. The suffix has one character for each five: which of them are capitals, as a
5-bit number written as A-Z, 0-5 (Salesforce's public documentation of the 18-character id).
"""

import re

PREFIXES = {
    "Account": "001",
    "Contact": "003",
    "User": "005",
    "Opportunity": "006",
    "Organization": "00D",
    "Task": "00T",
    "Event": "00U",
    "EmailMessage": "02s",
    "OpportunityContactRole": "00K",
    "AccountContactRelation": "07k",
    "Case": "500",
    "Contract": "800",
    "PermissionSet": "0PS",
    "PermissionSetAssignment": "0Pa",
    "FieldPermissions": "01k",
    "CustomField": "00N",
    "CustomObject": "01I",
    "NPS_Response__c": "a00",
}
"""Kind of record -> the first three characters of its ids."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_FORM = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")


def record_id(kind: str, number: int) -> str:
    """The 18-character id of the record with this number, from 0."""
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = _DIGITS[rest] + text
    return full(f"{PREFIXES[kind]}Hf0{text:0>9}")


def full(short: str) -> str:
    """The 18-character form of an id of 15 characters."""
    fives = (short[start : start + 5] for start in (0, 5, 10))
    return short + "".join(_SUFFIX[sum(1 << i for i, c in enumerate(five) if c.isupper())] for five in fives)


def canonical(text: str) -> str | None:
    """An id of either length in its 18-character form; None when it is not one."""
    return full(text[:15]) if _FORM.fullmatch(text) else None


def account_id(world_id: int) -> str:
    """Salesforce's id of a world company."""
    return record_id("Account", 7 * world_id)


def contact_id(world_id: int) -> str:
    """Salesforce's id of a world person's contact record."""
    return record_id("Contact", 5 * world_id)
