"""simple-salesforce as it is, in process and over a socket: every way in, and every call that this product or an
administrator makes with it. Queries have a file of their own."""

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from simple_salesforce import Salesforce, SalesforceLogin, login
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceOperationError,
    SalesforceResourceNotFound,
)

from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET
from sandbox.salesforce_access import PASSWORD, REFRESH_TOKEN, SECURITY_TOKEN
from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER, ORGANIZATION
from sandbox.salesforce_ids import record_id

HOST = "sandbox.my.salesforce.com"
GONE = record_id("Account", 999_999)
KEY = {"object": "Account", "name": "Ext_Id__c", "type": "string", "length": 20, "external_id": True, "visible": True}


@pytest.fixture
def client(sf: Any, library: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client, logged in; its own waiting moves the sandbox's clock."""
    monkeypatch.setattr("simple_salesforce.bulk2.sleep", sf.later)
    return library.open()


def ids_of(sf: Any, count: int) -> list[str]:
    return [sf.account(n)[0] for n in range(count)]


# ---- ways in ---------------------------------------------------------------------------------------------------------


def username(sf: Any, user: str = INTEGRATION_USER) -> str:
    return str(sf.value(user, "Username"))


def test_soap_login_where_it_is_allowed(sf: Any, library: Any) -> None:
    given = {"username": username(sf), "password": PASSWORD, "security_token": SECURITY_TOKEN, "domain": "sandbox.my"}
    with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_OPERATION"):
        library.open(**given)
    sf.mutate("options", soap_login=True)
    assert library.open(**given).limits()["DailyApiRequests"]["Max"] == 115_000
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        library.open(**given | {"password": "wrong & <odd>"})
    assert refused.value.code == "INVALID_LOGIN"


def test_client_credentials(library: Any) -> None:
    client = library.open()
    assert client.sf_instance == HOST
    assert client.limits()["DailyApiRequests"]["Remaining"] == 114_999
    assert client.limits()["DailyApiRequests"]["Remaining"] == 114_998
    assert client.restful("limits/recordCount", params={"sObjects": "Account"})["sObjects"][0]["name"] == "Account"
    assert client.api_usage["api-usage"].used == 3
    assert client.api_usage["api-usage"].total == 115_000


def test_password(sf: Any, library: Any) -> None:
    sf.mutate("options", password_flow=True)
    given = {"consumer_key": SALESFORCE_KEY, "consumer_secret": SALESFORCE_SECRET}
    assert library.open(username=username(sf), password=PASSWORD, **given).limits()


def test_assertion(sf: Any, library: Any, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return sf.sandbox.clock.now()

    monkeypatch.setattr(login, "datetime", Clock)  # the client signs with the machine's time, the sandbox has its own
    given = {"consumer_key": SALESFORCE_KEY, "privatekey": key_pair[0], "domain": "login"}
    assert library.open(username=sf.mutate("add_jwt_key", pem=key_pair[1]), **given).limits()
    with (
        pytest.warns(UserWarning, match="authorize"),
        pytest.raises(SalesforceAuthenticationFailed, match="approved this consumer"),
    ):
        library.open(username=username(sf, ADMINISTRATOR), **given)


def test_session_made_elsewhere(sf: Any, library: Any) -> None:
    given = {"consumer_key": SALESFORCE_KEY, "consumer_secret": SALESFORCE_SECRET, "domain": "sandbox.my"}
    session, instance = SalesforceLogin(session=library.session, **given)
    client = library.open(session_id=session, instance_url=f"https://{instance}")
    assert client.oauth2("userinfo")["organization_id"] == ORGANIZATION
    sf.mutate("expire_tokens")
    with pytest.raises(SalesforceExpiredSession):  # nothing to log in again with
        client.limits()
    form = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}
    token = sf.token(**form)["access_token"]
    assert library.open(session_id=token, instance=HOST).limits()


def test_login_again_when_the_session_ends(sf: Any, library: Any) -> None:
    client = library.open()
    sf.mutate("expire_tokens")
    assert client.limits()
    sf.mutate("options", bad_new_tokens=True)
    sf.mutate("expire_tokens")
    with pytest.raises(SalesforceExpiredSession):
        client.limits()


def test_logins_that_are_refused(sf: Any, library: Any) -> None:
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        library.open(consumer_key=SALESFORCE_KEY, consumer_secret="wrong", domain="sandbox.my")
    sf.mutate("options", run_as_user=False)
    with pytest.raises(SalesforceAuthenticationFailed, match="no client credentials user enabled"):
        library.open()


def test_logout(client: Salesforce) -> None:
    client.oauth2("revoke", {"token": client.session_id}, method="POST")
    old = client.session_id
    assert client.limits()
    assert client.session_id != old


# ---- looking around --------------------------------------------------------------------------------------------------


def test_descriptions(client: Any) -> None:
    names = {row["name"] for row in client.describe()["sobjects"]}
    assert {"Account", "Contact", "Task", "User"} <= names
    fields = {f["name"]: f for f in client.Account.describe()["fields"]}
    assert fields["Name"]["length"] == 255
    assert client.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"
    assert client.is_sandbox() is False
    with pytest.raises(SalesforceResourceNotFound):
        client.Nothing.describe()


def test_who_is_there(sf: Any, client: Any) -> None:
    told = client.oauth2("userinfo")
    assert (told["user_id"], told["preferred_username"]) == (INTEGRATION_USER, username(sf))
    assert client.restful("")["identity"].endswith(f"/id/{ORGANIZATION}/{INTEGRATION_USER}")
    assert client.User.get(INTEGRATION_USER)["Username"] == username(sf)


# ---- records ---------------------------------------------------------------------------------------------------------


def test_records(sf: Any, client: Any) -> None:
    sf.mutate("create_field", **KEY, unique=True)
    made = client.Account.create({"Name": "Acme", "Ext_Id__c": "E-1"})
    assert made["success"] is True
    assert client.Account.update(made["id"], {"Phone": "1"}) == 204
    assert client.Account.get(made["id"])["Phone"] == "1"
    assert client.Account.get_by_custom_id("Ext_Id__c", "E-1")["Id"] == made["id"]
    assert client.Account.upsert("Ext_Id__c/E-2", {"Name": "Second"}) == 201
    assert client.Account.upsert("Ext_Id__c/E-2", {"Name": "Second"}) == 200
    assert client.Account.delete(made["id"]) == 204
    now = sf.sandbox.clock.now()
    sf.later(120)
    start, end = now - timedelta(hours=1), now + timedelta(minutes=2)
    assert [row["id"] for row in client.Account.deleted(start, end)["deletedRecords"]] == [made["id"]]
    assert len(client.Account.updated(start, end)["ids"]) == 1


def test_errors(sf: Any, client: Any) -> None:
    sf.mutate("create_field", **KEY)
    for one in ids_of(sf, 2):
        client.Account.update(one, {"Ext_Id__c": "K"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Account.upsert("Ext_Id__c/K", {"Name": "x"})
    with pytest.raises(SalesforceResourceNotFound) as missing:
        client.Account.update(GONE, {"Name": "x"})
    assert missing.value.content[0]["errorCode"] == "INVALID_CROSS_REFERENCE_KEY"
    with pytest.raises(SalesforceMalformedRequest) as malformed:
        client.Account.create({"Phone": "1"})
    assert malformed.value.content[0]["fields"] == ["Name"]


def test_collections(sf: Any, client: Any) -> None:
    account = ids_of(sf, 1)[0]

    def send(method: str, path: str = "composite/sobjects", **body: Any) -> Any:
        return client.restful(path, method=method, json=body)

    of_account = {"attributes": {"type": "Account"}}
    rows = send("PATCH", records=[{**of_account, "id": account, "Phone": "1"}, {**of_account, "Phone": "2"}])
    assert [row["success"] for row in rows] == [True, False]
    assert rows[1]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"
    rows = send("POST", records=[{**of_account, "Name": "Acme"}, {**of_account, "Phone": "1"}])
    assert rows[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    found = send("POST", "composite/sobjects/Account", ids=[account, GONE], fields=["Phone"])
    assert (found[0]["Phone"], found[1]) == ("1", None)
    gone = client.restful("composite/sobjects", params={"ids": rows[0]["id"]}, method="DELETE")
    assert gone == [{"id": rows[0]["id"], "success": True, "errors": []}]


def test_requests_in_one(client: Any) -> None:
    step = {"method": "POST", "url": "/services/data/v64.0/sobjects/Account", "referenceId": "a", "body": {"Name": "A"}}
    answer = client.restful("composite", method="POST", json={"compositeRequest": [step]})
    assert answer["compositeResponse"][0]["httpStatusCode"] == 201


# ---- setting up ------------------------------------------------------------------------------------------------------


def test_a_field(sf: Any, client: Any) -> None:
    score = {"type": "Number", "label": "Score", "precision": 5, "scale": 2}
    body = {"FullName": "Account.Score__c", "Metadata": score}
    made = client.toolingexecute("sobjects/CustomField", method="POST", data=body)
    assert made["success"] is True
    path = f"sobjects/CustomField/{made['id']}"
    assert client.toolingexecute(path)["Metadata"]["label"] == "Score"
    soql = "SELECT Id FROM CustomField WHERE TableEnumOrId = 'Account' AND DeveloperName = 'Score'"
    found = client.toolingexecute("query", params={"q": soql})
    assert [row["Id"] for row in found["records"]] == [made["id"]]
    held = sf.query("SELECT Id FROM PermissionSet WHERE Name = 'CRM_Integration'")[0]["Id"]
    row = {"ParentId": held, "SobjectType": "Account", "Field": "Account.Score__c"}
    client.FieldPermissions.create({**row, "PermissionsRead": True, "PermissionsEdit": True})
    assert "Score__c" in {field["name"] for field in client.Account.describe()["fields"]}
    client.toolingexecute(path, method="PATCH", data={"Metadata": {**score, "label": "Points"}})
    assert client.toolingexecute(path)["Metadata"]["label"] == "Points"


# ---- in bulk ---------------------------------------------------------------------------------------------------------


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_bulk_updates_and_their_results(sf: Any, client: Any, tmp_path: Path) -> None:
    first, second = ids_of(sf, 2)
    sf.mutate("lock", id=second, tries=1)
    kind = client.bulk2.Account
    (result,) = kind.update(records=[{"Id": first, "Phone": "1"}, {"Id": second, "Phone": "2"}])
    assert (result["numberRecordsProcessed"], result["numberRecordsFailed"], result["numberRecordsTotal"]) == (2, 1, 2)
    failed = table(kind.get_failed_records(result["job_id"]))
    assert [row["Id"] for row in failed] == [second]
    assert failed[0]["sf__Error"].startswith("UNABLE_TO_LOCK_ROW:")
    assert [row["sf__Id"] for row in table(kind.get_successful_records(result["job_id"]))] == [first]
    kind.get_successful_records(result["job_id"], file=str(tmp_path / "good.csv"))
    assert [row["sf__Id"] for row in table((tmp_path / "good.csv").read_text(encoding="utf-8"))] == [first]
    everything = kind.get_all_ingest_records(result["job_id"])
    assert [len(everything[key]) for key in ("successfulRecords", "failedRecords", "unprocessedRecords")] == [1, 1, 0]
    assert sf.value(first, "Phone") == "1"


def test_bulk_inserts_upserts_and_deletions(sf: Any, client: Any) -> None:
    sf.mutate("create_field", **KEY)
    kind = client.bulk2.Account
    (made,) = kind.insert(records=[{"Name": "One", "Ext_Id__c": "A"}, {"Name": "Two", "Ext_Id__c": "B"}])
    (again,) = kind.upsert(records=[{"Name": "Uno", "Ext_Id__c": "A"}], external_id_field="Ext_Id__c")
    assert (made["numberRecordsFailed"], again["numberRecordsFailed"]) == (0, 0)
    found = sf.query("SELECT Id, Name FROM Account WHERE Ext_Id__c IN ('A', 'B') ORDER BY Ext_Id__c")
    assert [row["Name"] for row in found] == ["Uno", "Two"]
    (gone,) = kind.delete(records=[{"Id": found[0]["Id"]}])
    assert (gone["numberRecordsFailed"], sf.there(found[0]["Id"])) == (0, False)
    sf.mutate("permit", rights=["BulkApiHardDelete"])
    (gone,) = kind.hard_delete(records=[{"Id": found[1]["Id"]}])
    assert gone["numberRecordsFailed"] == 0
    rows = sf.query("SELECT Name FROM Account WHERE Ext_Id__c IN ('A', 'B')", everything=True)
    assert rows == [{"Name": "Uno"}]


def test_a_bulk_job_that_fails(sf: Any, client: Any) -> None:
    with pytest.raises(SalesforceOperationError, match="Field name not found"):
        client.bulk2.Account.update(records=[{"Id": ids_of(sf, 1)[0], "Nope__c": "1"}])
