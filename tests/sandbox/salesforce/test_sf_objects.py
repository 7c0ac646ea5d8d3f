"""Custom objects: made over the Metadata API, granted, filled; and receipts written together with their tasks."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests

from sandbox.salesforce_base import ADMINISTRATOR

Sf = Any
SOAP = "/services/Soap/m/64.0"
RECEIPT = "Our_Receipt__c"
OBJECT = {
    "label": "Our Receipt",
    "pluralLabel": "Our Receipts",
    "nameField": "<type>AutoNumber</type><label>Number</label><displayFormat>R-{0000}</displayFormat>",
    "deploymentStatus": "Deployed",
    "sharingModel": "ReadWrite",
}
KEY = {"type": "Text", "label": "Key", "length": "64", "unique": "true", "externalId": "true", "caseSensitive": "true"}


def component(kind: str, name: str, values: dict[str, str]) -> str:
    inner = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    return f'<metadata xsi:type="{kind}"><fullName>{name}</fullName>{inner}</metadata>'


def send(sf: Sf, call: str, inner: str, *, session: str | None = None, path: str = SOAP) -> requests.Response:
    token = sf.session.headers["Authorization"].removeprefix("Bearer ") if session is None else session
    body = (
        '<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns="http://soap.sforce.com/2006/04/metadata" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<e:Header><SessionHeader><sessionId>{token}</sessionId></SessionHeader></e:Header>"
        f"<e:Body><{call}>{inner}</{call}></e:Body></e:Envelope>"
    )
    headers = {"Content-Type": "text/xml", "SOAPAction": call}
    answer: requests.Response = sf.send("POST", path, data=body.encode(), headers=headers)
    return answer


def parsed(answer: requests.Response) -> ET.Element:
    return ET.fromstring(answer.content)  # noqa: S314 - the sandbox's own answer


def results(answer: requests.Response) -> list[dict[str, str]]:
    """Each result's own elements, and those of its first error."""
    assert answer.status_code == 200, answer.text
    return [
        {one.tag.rpartition("}")[2]: (one.text or "") for one in result.iter() if one is not result}
        for result in parsed(answer).iter("{http://soap.sforce.com/2006/04/metadata}result")
    ]


def fault(answer: requests.Response) -> str:
    assert answer.status_code == 500, answer.text
    return next(one.text or "" for one in parsed(answer).iter() if one.tag.endswith("faultcode"))


def make_receipts(sf: Sf, *, granted: bool = True) -> None:
    assert results(send(sf, "createMetadata", component("CustomObject", RECEIPT, OBJECT)))[0]["success"] == "true"
    assert (
        results(send(sf, "createMetadata", component("CustomField", f"{RECEIPT}.Key__c", KEY)))[0]["success"] == "true"
    )
    if granted:
        grant(sf)


def grant(sf: Sf) -> None:
    """Rights on the object and its field, as an administrator gives them: rows of a permission set."""
    (own,) = sf.query("SELECT Id FROM PermissionSet WHERE Name = 'CRM_Integration'")
    rights = {f"Permissions{right}": True for right in ("Read", "Create", "Edit", "Delete")}
    sf.post("sobjects/ObjectPermissions", {"ParentId": own["Id"], "SobjectType": RECEIPT, **rights}, 201)
    read = {"PermissionsRead": True, "PermissionsEdit": True}
    row = {"ParentId": own["Id"], "SobjectType": RECEIPT, "Field": f"{RECEIPT}.Key__c", **read}
    sf.post("sobjects/FieldPermissions", row, 201)


def pair(account: str, key: str, subject: str = "Call") -> list[dict[str, Any]]:
    return [
        {"attributes": {"type": RECEIPT}, "Key__c": key},
        {"attributes": {"type": "Task"}, "WhatId": account, "Subject": subject},
    ]


def count(sf: Sf, kind: str) -> int:
    total: int = sf.get("query", q=f"SELECT COUNT() FROM {kind}")["totalSize"]
    return total


def test_a_new_object_is_hidden_until_it_is_granted(sf: Sf) -> None:
    make_receipts(sf, granted=False)
    sf.get(f"sobjects/{RECEIPT}/describe", 404)
    sf.get("query", 400, q=f"SELECT Id FROM {RECEIPT}")
    grant(sf)
    shown = sf.get(f"sobjects/{RECEIPT}/describe")
    assert (shown["custom"], shown["createable"], shown["label"], shown["keyPrefix"]) == (
        True, True, "Our Receipt", "a01",
    )  # fmt: skip
    fields = {one["name"]: one for one in shown["fields"]}
    key = fields["Key__c"]
    assert {name: key[name] for name in ("externalId", "unique", "idLookup", "caseSensitive", "length")} == {
        "externalId": True, "unique": True, "idLookup": True, "caseSensitive": True, "length": 64,
    }  # fmt: skip
    assert fields["Name"]["autoNumber"]
    assert RECEIPT in {one["name"] for one in sf.get("sobjects")["sobjects"]}
    # Administrators need no grant.
    sf.user(ADMINISTRATOR)
    sf.get(f"sobjects/{RECEIPT}/describe")


def test_its_records_are_like_any_others(sf: Sf) -> None:
    make_receipts(sf)
    made = sf.post(f"sobjects/{RECEIPT}", {"Key__c": "k1"}, 201)["id"]
    assert made.startswith("a01")
    (row,) = sf.query(f"SELECT Id, Name, Key__c, OwnerId FROM {RECEIPT} WHERE Key__c = 'k1'")
    assert (row["Id"], row["Name"]) == (made, "R-0001")
    assert sf.get("limits/recordCount", sObjects=RECEIPT)["sObjects"] == [{"count": 1, "name": RECEIPT}]
    assert sf.patch(f"sobjects/{RECEIPT}/Key__c/k1", {}, 200)["created"] is False
    second = sf.patch(f"sobjects/{RECEIPT}/Key__c/K1", {}, 201)
    assert second["created"] is True
    twice = sf.post(f"sobjects/{RECEIPT}", {"Key__c": "k1"}, 400)
    assert twice[0]["errorCode"] == "DUPLICATE_VALUE"
    assert made in twice[0]["message"]
    sf.ask("DELETE", f"sobjects/{RECEIPT}/{made}", 204)
    assert sf.post(f"sobjects/{RECEIPT}", {"Key__c": "k1"}, 201)["id"] != made


def test_a_receipt_and_its_task_are_written_both_or_neither(sf: Sf) -> None:
    make_receipts(sf)
    account = sf.account()[0]
    body = {"allOrNone": True, "records": [*pair(account, "a"), *pair(account, "b")]}
    assert [row["success"] for row in sf.post("composite/sobjects", body)] == [True] * 4
    again = {"allOrNone": True, "records": [*pair(account, "c"), *pair(account, "b"), *pair(account, "d")]}
    answers = sf.post("composite/sobjects", again)
    codes = [row["errors"][0]["statusCode"] for row in answers]
    rolled = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert codes == [rolled, rolled, "DUPLICATE_VALUE", rolled, rolled, rolled]
    assert answers[0]["errors"][0]["message"] == (
        "Record rolled back because not all records were valid and the request was using AllOrNone header"
    )
    assert (count(sf, RECEIPT), count(sf, "Task")) == (2, 2)


def test_a_bad_task_takes_its_receipt_back_too(sf: Sf) -> None:
    make_receipts(sf)
    body = {"allOrNone": True, "records": pair(sf.account()[0], "a", "x" * 256)}
    answers = sf.post("composite/sobjects", body)
    assert answers[1]["errors"][0]["statusCode"] == "STRING_TOO_LONG"
    assert (count(sf, RECEIPT), count(sf, "Task")) == (0, 0)
    # The same in a composite request, where each part has its own answer.
    records = body["records"]
    parts = [{"method": "POST", "url": "/services/data/v64.0/composite/sobjects", "referenceId": "both",
              "body": {"records": records}}]  # fmt: skip
    whole = sf.post("composite", {"allOrNone": True, "compositeRequest": parts})["compositeResponse"]
    assert whole[0]["httpStatusCode"] == 400
    assert (count(sf, RECEIPT), count(sf, "Task")) == (0, 0)


def test_more_than_ten_chunks_are_too_many(sf: Sf) -> None:
    make_receipts(sf)
    account = sf.account()[0]
    records = [record for n in range(6) for record in pair(account, f"k{n}")]
    assert sf.post("composite/sobjects", {"records": records}, 400)[0]["errorCode"] == "LIMIT_EXCEEDED"
    ordered = sorted(records, key=lambda record: record["attributes"]["type"])
    assert all(row["success"] for row in sf.post("composite/sobjects", {"allOrNone": True, "records": ordered}))


# ---- the Metadata API ------------------------------------------------------------------------------------------------


def test_an_object_may_bring_its_fields_and_is_made_once(sf: Sf) -> None:
    fields = "".join(
        f"<fields><fullName>{name}</fullName><type>Text</type><label>{name}</label><length>9</length></fields>"
        for name in ("One__c", "Two__c")
    )
    text = component("CustomObject", RECEIPT, {**OBJECT, "nameField": "<type>Text</type><label>Called</label>"})
    text = text.replace("</metadata>", f"{fields}</metadata>")
    (made,) = results(send(sf, "upsertMetadata", text))
    assert (made["created"], made["success"]) == ("true", "true")
    assert {"One__c", "Two__c", "Name"} <= set(sf.org.objects[RECEIPT].fields)
    (changed,) = results(send(sf, "upsertMetadata", text.replace("Our Receipt<", "Proofs<")))
    assert (changed["created"], changed["success"], sf.org.objects[RECEIPT].label) == ("false", "true", "Proofs")
    (twice,) = results(send(sf, "createMetadata", text))
    assert (twice["success"], twice["statusCode"]) == ("false", "DUPLICATE_DEVELOPER_NAME")
    (field,) = results(
        send(sf, "upsertMetadata", component("CustomField", f"{RECEIPT}.One__c", {**KEY, "length": "20"}))
    )
    assert (field["created"], sf.org.objects[RECEIPT].fields["One__c"].length) == ("false", 20)


def test_what_is_there_is_read_and_deleted(sf: Sf) -> None:
    make_receipts(sf)
    sf.sandbox.journal.clear()
    named = f"<type>CustomObject</type><fullNames>{RECEIPT}</fullNames><fullNames>Nothing__c</fullNames>"
    read = send(sf, "readMetadata", named).text
    assert "<label>Our Receipt</label>" in read
    assert 'xsi:nil="true"' in read
    field = f"<type>CustomField</type><fullNames>{RECEIPT}.Key__c</fullNames><fullNames>{RECEIPT}.No__c</fullNames>"
    assert "<externalId>true</externalId>" in send(sf, "readMetadata", field).text
    standing = "<type>CustomObject</type><fullNames>NPS_Response__c</fullNames><fullNames>Account</fullNames>"
    assert "<label>NPS Response</label>" in send(sf, "readMetadata", standing).text
    assert sf.sandbox.journal.writes() == 0
    gone = results(send(sf, "deleteMetadata", field))
    assert [row["success"] for row in gone] == ["true", "false"]
    assert gone[1]["statusCode"] == "INVALID_CROSS_REFERENCE_KEY"
    assert sf.sandbox.journal.writes() == 1
    assert [row["success"] for row in results(send(sf, "deleteMetadata", named))] == ["true", "false"]
    sf.get(f"sobjects/{RECEIPT}/describe", 404)
    assert sf.query(f"SELECT Id FROM ObjectPermissions WHERE SobjectType = '{RECEIPT}'") == []


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("Our Receipt", {}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Two__Words__c", {}, "FIELD_INTEGRITY_EXCEPTION"),
        (f"{'x' * 41}__c", {}, "FIELD_INTEGRITY_EXCEPTION"),
        (RECEIPT, {"label": ""}, "FIELD_INTEGRITY_EXCEPTION"),
        (RECEIPT, {"pluralLabel": ""}, "FIELD_INTEGRITY_EXCEPTION"),
        (RECEIPT, {"sharingModel": "Nobody"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (RECEIPT, {"nameField": "<type>Number</type><label>N</label>"}, "FIELD_INTEGRITY_EXCEPTION"),
        (RECEIPT, {"nameField": "<type>Text</type>"}, "FIELD_INTEGRITY_EXCEPTION"),
        (RECEIPT, {"nameField": "<type>AutoNumber</type><label>N</label>"}, "FIELD_INTEGRITY_EXCEPTION"),
        (RECEIPT, {"colour": "blue"}, "JSON_PARSER_ERROR"),
    ],
)
def test_definitions_that_do_not_hold_together(sf: Sf, name: str, change: dict[str, str], code: str) -> None:
    (row,) = results(send(sf, "createMetadata", component("CustomObject", name, {**OBJECT, **change})))
    assert (row["success"], row["statusCode"]) == ("false", code)
    assert RECEIPT not in sf.org.objects


def test_calls_that_go_wrong_as_a_whole(sf: Sf, make_client: Callable[..., Sf]) -> None:
    text = component("CustomObject", RECEIPT, OBJECT)
    assert fault(send(sf, "createMetadata", text, session="wrong")) == "INVALID_SESSION_ID"
    assert fault(send(sf, "createMetadata", text, path="/services/Soap/m/12.0")) == "UNSUPPORTED_API_VERSION"
    assert fault(send(sf, "createMetadata", text, path="/services/Soap/m/x")) == "UNSUPPORTED_API_VERSION"
    assert fault(send(sf, "destroyMetadata", text)) == "INVALID_TYPE"
    assert fault(send(sf, "createMetadata", text * 11)) == "INVALID_TYPE"
    assert fault(send(sf, "createMetadata", component("Layout", "L", {"a": "b"}))) == "INVALID_TYPE"
    assert fault(send(sf, "readMetadata", "<type>Layout</type>")) == "INVALID_TYPE"
    for body in (b"<a", b"<a/>", b"<!DOCTYPE a><a/>"):
        answer = sf.send("POST", SOAP, data=body)
        assert fault(answer) == "MALFORMED_REQUEST"
    plain = make_client(customize=False)
    assert fault(send(plain, "createMetadata", text)) == "INSUFFICIENT_ACCESS_OR_READONLY"


def test_components_without_a_definition_are_refused_one_by_one(sf: Sf) -> None:
    (row,) = results(send(sf, "createMetadata", '<metadata xsi:type="CustomObject">text</metadata>'))
    assert row["success"] == "false"


# ---- the Tooling API -------------------------------------------------------------------------------------------------


def test_the_tooling_api_reads_custom_objects_and_makes_none(sf: Sf, make_client: Callable[..., Sf]) -> None:
    make_receipts(sf)
    body = {"FullName": "Other__c", "Metadata": {**OBJECT, "nameField": {"type": "Text", "label": "Name"}}}
    assert sf.post("tooling/sobjects/CustomObject", body, 405)[0]["errorCode"] == "METHOD_NOT_ALLOWED"
    rows = sf.get("tooling/query", q="SELECT Id, DeveloperName FROM CustomObject ORDER BY DeveloperName")["records"]
    assert [row["DeveloperName"] for row in rows] == ["NPS_Response", "Our_Receipt"]
    assert sf.get(f"tooling/sobjects/CustomObject/{rows[1]['Id']}")["SharingModel"] == "ReadWrite"
    sf.get("tooling/sobjects/CustomObject/01IHf0000000009AAA", 404)
    # Fields of a custom object name it by its id.
    q = f"SELECT DeveloperName FROM CustomField WHERE TableEnumOrId = '{rows[1]['Id']}'"
    assert [row["DeveloperName"] for row in sf.get("tooling/query", q=q)["records"]] == ["Key"]
    lax = make_client(tooling_custom_objects=True)
    made = lax.post("tooling/sobjects/CustomObject", body, 201)
    assert (made["success"], made["id"][:3]) == (True, "01I")
    lax.post("tooling/sobjects/CustomObject", {"FullName": "Third__c"}, 400)
    lax.get("tooling/sobjects/CustomObject/describe")


def test_there_is_room_for_so_many(sf: Sf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.salesforce_objects.MAX_OBJECTS", 1)
    (row,) = results(send(sf, "createMetadata", component("CustomObject", RECEIPT, OBJECT)))
    assert row["statusCode"] == "LIMIT_EXCEEDED"
