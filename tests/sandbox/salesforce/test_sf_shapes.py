"""Every published answer of the vendor's, asked of the simulator: the same status, codes, texts and shape."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET
from sandbox.faults import Fault
from sandbox.salesforce_ids import record_id

Asked = Callable[[Any], requests.Response]

NOT_MADE = {"bulk1_session_invalid": "the first version of the Bulk API is not simulated"}
"""Published answers that the simulator never gives, and why."""

GONE = record_id("Account", 999_999)
TOKEN = "/services/oauth2/token"
LOGIN = "<username>a</username><password>b</password>"


# ---- asking ----------------------------------------------------------------------------------------------------------


def get(path: str, **params: str) -> Asked:
    return lambda sf: sf.send("GET", path, params=params)


LIMITS = get("limits")


def switched(asked: Asked = LIMITS, **options: Any) -> Asked:
    def ask(sf: Any) -> requests.Response:
        sf.mutate("options", **options)
        return asked(sf)

    return ask


def grant(**form: str) -> Asked:
    given = {"grant_type": "client_credentials", "client_id": SALESFORCE_KEY, "client_secret": SALESFORCE_SECRET}
    return lambda sf: sf.send("POST", TOKEN, data={**given, **form})


def post(path: str, **body: Any) -> Asked:
    return lambda sf: sf.send("POST", path, json=body)


def change(sf: Any, **values: Any) -> requests.Response:
    """Write to the first account."""
    answer: requests.Response = sf.send("PATCH", f"sobjects/Account/{sf.account()[0]}", json=values)
    return answer


def after(action: str, asked: Asked, **args: Any) -> Asked:
    """Ask once somebody has done something; an `id` of None is the first account's."""

    def ask(sf: Any) -> requests.Response:
        sf.mutate(action, **{key: sf.account()[0] if value is None else value for key, value in args.items()})
        return asked(sf)

    return ask


def score_field(sf: Any) -> None:
    sf.mutate(
        "create_field", object="Account", name="Health_Score__c", type="double", precision=5, scale=0, visible=True
    )


def with_score(**values: Any) -> Asked:
    def ask(sf: Any) -> requests.Response:
        score_field(sf)
        return change(sf, **values)

    return ask


def with_key(asked: Asked, **attributes: Any) -> Asked:
    """Ask once accounts have a key."""

    def ask(sf: Any) -> requests.Response:
        sf.mutate(
            "create_field", object="Account", name="Ext_Id__c", type="string", length=80, visible=True,
            external_id=True, id_lookup=True, **attributes,
        )  # fmt: skip
        return asked(sf)

    return ask


def key_of_two(sf: Any) -> requests.Response:
    for n in (0, 1):
        sf.mutate("edit", id=sf.account(n)[0], values={"Ext_Id__c": "k"})
    return get("sobjects/Account/Ext_Id__c/k")(sf)


def key_again(sf: Any) -> requests.Response:
    sf.mutate("edit", id=sf.account()[0], values={"Ext_Id__c": "k"})
    return post("sobjects/Account", Name="Other", Ext_Id__c="k")(sf)


def collection(sf: Any, *records: dict[str, Any], path: str = "", whole: bool = False) -> requests.Response:
    listed = [{"attributes": {"type": "Account"}, **record} for record in records]
    answer: requests.Response = sf.send(
        "PATCH", f"composite/sobjects{path}", json={"allOrNone": whole, "records": listed}
    )
    return answer


def partial(sf: Any) -> requests.Response:
    ids = [sf.account(n)[0] for n in (0, 1)]
    sf.mutate("lock", id=ids[1])
    return collection(sf, *({"id": one, "Phone": "1"} for one in ids))


def rolled_back(sf: Any) -> requests.Response:
    ids = [sf.account(n)[0] for n in (0, 1)]
    return collection(sf, {"id": ids[0], "Phone": "1"}, {"id": ids[1], "Name": None}, whole=True)


def keyed(sf: Any) -> requests.Response:
    sf.mutate("edit", id=sf.account()[0], values={"Ext_Id__c": "k"})
    return collection(sf, {"Ext_Id__c": "k", "Phone": "1"}, path="/Account/Ext_Id__c")


def same_mail(sf: Any) -> requests.Response:
    return post("sobjects/Contact", LastName="Twin", Email=sf.contact()[1].email)(sf)


def task_of_one_who_left(sf: Any) -> requests.Response:
    user = sf.query("SELECT Id FROM User WHERE IsActive = true AND Name != 'Integration User'")[0]["Id"]
    sf.mutate("deactivate_user", id=user)
    return post("sobjects/Task", Subject="Call", OwnerId=user)(sf)


def of_others(sf: Any) -> requests.Response:
    everybody = [row["Id"] for row in sf.query("SELECT Id FROM Account")]
    sf.mutate("view_all", on=False)
    seen = {row["Id"] for row in sf.query("SELECT Id FROM Account")}
    hidden = next(one for one in everybody if one not in seen)
    answer: requests.Response = sf.send("PATCH", f"sobjects/Account/{hidden}", json={"Phone": "1"})
    return answer


def expired_cursor(sf: Any) -> requests.Response:
    sf.mutate("options", page_rows=5)
    page = sf.get("query", q="SELECT Id FROM Account")
    sf.mutate("expire_cursors")
    answer: requests.Response = sf.send("GET", page["nextRecordsUrl"])
    return answer


def lately(which: str, action: str, **args: Any) -> Asked:
    """What is said to have changed since a minute before it did."""

    def ask(sf: Any) -> requests.Response:
        start = sf.sandbox.clock.now() - timedelta(minutes=1)
        sf.mutate(action, id=sf.account()[0], **args)
        sf.later(180)
        window = {"start": start.isoformat(), "end": sf.sandbox.clock.now().isoformat()}
        return get(f"sobjects/Account/{which}", **window)(sf)

    return ask


def failing(sf: Any) -> requests.Response:
    body = [{"message": "Server is unavailable", "errorCode": "SERVER_UNAVAILABLE"}]
    sf.sandbox.faults.add(Fault("status", status=503, body=body))
    return get("limits")(sf)


def ingested(path: str = "") -> Asked:
    """A job that writes one account and fails at another, which is locked; its information, or rows of it."""

    def ask(sf: Any) -> requests.Response:
        score_field(sf)
        ids = [sf.account(n)[0] for n in (0, 1)]
        sf.mutate("lock", id=ids[1])
        return run(sf, f"Id,Health_Score__c\n{ids[0]},72\n{ids[1]},61\n", path)

    return ask


def run(sf: Any, data: str, path: str = "") -> requests.Response:
    job = sf.post("jobs/ingest", {"object": "Account", "operation": "update"})["id"]
    sf.ask("PUT", f"jobs/ingest/{job}/batches", 201, data=data, headers={"Content-Type": "text/csv"})
    sf.patch(f"jobs/ingest/{job}", {"state": "UploadComplete"})
    sf.later(60)
    return get(f"jobs/ingest/{job}{path}")(sf)


def queried(sf: Any) -> requests.Response:
    job = sf.post("jobs/query", {"operation": "query", "query": "SELECT Id, Name FROM Account"})["id"]
    sf.later(60)
    return get(f"jobs/query/{job}/results", maxRecords="1")(sf)


ASKED: dict[str, Asked] = {
    "session_invalid": lambda sf: sf.send("GET", "limits", headers={"Authorization": "Bearer old"}),
    "session_not_valid_for_rest": switched(rest_refused=True),
    "daily_limit": after("use_calls", LIMITS, calls=115_000),
    "concurrent_limit": switched(concurrent_limit=True),
    "api_disabled": switched(api_disabled="org"),
    "api_currently_disabled_for_user": after("forbid", LIMITS, rights=["ApiEnabled"]),
    "query_no_such_field": get("query", q="SELECT Id, Health_Score__c FROM Account"),
    "write_no_such_field": lambda sf: change(sf, Health_Score__c=1),
    "write_read_only_field": lambda sf: sf.send("PATCH", f"sobjects/Contact/{sf.contact()[0]}", json={"Name": "A B"}),
    "malformed_query": get("query", q="SELECT Id FORM Account"),
    "unknown_object": post("composite/sobjects", records=[{"attributes": {"type": "Accountt"}}]),
    "query_timeout": switched(get("query", q="SELECT Id FROM Account"), query_timeout=True),
    "query_cursor_expired": expired_cursor,
    "required_missing": post("sobjects/Account", Phone="1"),
    "string_too_long": post("sobjects/Task", Subject="x" * 256),
    "bad_picklist": after(
        "change_field", post("sobjects/Task", Status="Nope"), object="Task", field="Status",
        changes={"restricted": True},
    ),
    "number_too_big": with_score(Health_Score__c=100_000.0),
    "validation_rule": after(
        "rule", post("sobjects/Opportunity", Name="O", StageName="Prospecting", CloseDate="2020-01-01"),
        object="Opportunity", message="Close date must be in the future", field="CloseDate",
    ),
    "trigger_failed": after(
        "trigger", post("sobjects/Task", Subject="Call"), object="Task",
        message="TaskTrigger: execution of AfterInsert caused by: System.DmlException: Update failed.",
    ),
    "row_lock": after("lock", lambda sf: change(sf, Phone="1"), id=None),
    "duplicate_value": with_key(key_again, unique=True),
    "duplicates_detected": switched(same_mail, duplicate_rule=True),
    "inactive_owner": task_of_one_who_left,
    "entity_deleted": after("delete", lambda sf: change(sf, Phone="1"), id=None),
    "get_missing": get(f"sobjects/Account/{GONE}"),
    "patch_missing": lambda sf: sf.send("PATCH", f"sobjects/Account/{GONE}", json={"Phone": "1"}),
    "no_access": of_others,
    "read_only_user": after("revoke", lambda sf: change(sf, Phone="1"), object="Account", rights=["Edit"]),
    "external_id_not_found": lambda sf: sf.send("PATCH", "sobjects/Account/Ext_Id__c/k", json={"Phone": "1"}),
    "external_id_many": with_key(key_of_two),
    "uri_too_long": get("query", q="x" * 17_000),
    "headers_too_large": lambda sf: sf.send("GET", "limits", headers={"X-Long": "y" * 17_000}),
    "unavailable": failing,
    "collections_partial": partial,
    "collections_all_or_none": rolled_back,
    "collections_upsert_ok": with_key(keyed, unique=True),
    "oauth_error": switched(grant(grant_type="password", username="a", password="b"), password_flow=True),
    "oauth_client": grant(client_secret="wrong"),
    "oauth_no_run_as_user": switched(grant(), run_as_user=False),
    "token_ok": grant(),
    "create_ok": post("sobjects/Task", Subject="Call"),
    "update_ok": lambda sf: change(sf, Phone="1"),
    "query_page": switched(get("query", q="SELECT Id, Name, SystemModstamp FROM Account"), page_rows=5),
    "deleted": lately("deleted", "delete"),
    "updated": lately("updated", "edit", values={"Phone": "1"}),
    "bulk2_ingest_job": post("jobs/ingest", object="Account", operation="update"),
    "bulk2_ingest_job_done": ingested(),
    "bulk2_ingest_job_failed": lambda sf: run(sf, f"Id,Health_Score__c\n{sf.account()[0]},72\n"),
    "bulk2_failed_results": ingested("/failedResults/"),
    "bulk2_successful_results": ingested("/successfulResults/"),
    "bulk2_query_results": queried,
    "bulk2_unsupported_entity": post("jobs/query", operation="query", query="SELECT Id FROM TaskStatus"),
    "limits": LIMITS,
    "soap_login_fault": switched(lambda sf: sf.send("POST", "/services/Soap/u/64.0", data=LOGIN), soap_login=True),
}  # fmt: skip


# ---- comparing -------------------------------------------------------------------------------------------------------

OWN = {"access_token", "instance_url", "id", "issued_at", "signature", "Name", "Sforce-Limit-Info", "Sforce-Locator",
       "Sforce-NumberOfRecords", "nextRecordsUrl"}  # fmt: skip
"""Keys whose texts are the org's own."""
WORDS = (
    (r"\b[0-9]\w{14}(?:\w{3})?\b", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+\+0000", "TIME"),
    (r"/v\d\d\.0/", "/vNN.0/"),
    (r"'(?:Case|Task)Status'", "'...Status'"),
    (r'"ID","(?!ID).*"$', '"ID","..."'),
    (r"too large: x+ ", "too large: "),
)
"""What differs from org to org within texts."""


def general(text: str) -> str:
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


def check(wanted: Any, made: Any, at: str = "") -> None:
    """What was published is all there: texts, flags and shape. Numbers and the org's own texts may be others."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert key in made, f"{at}.{key} is missing"
            check(str if key in OWN and isinstance(value, str) else value, made[key], f"{at}.{key}")
    elif isinstance(wanted, list):
        assert len(made) == len(wanted) or at == ".records", at
        for n, value in enumerate(wanted):
            check(value, made[n], f"{at}[{n}]")
    elif isinstance(wanted, type):
        assert isinstance(made, wanted), at
    elif isinstance(wanted, str):
        assert general(made) == general(wanted), at
    else:
        assert type(made) is type(wanted), at
        assert made == wanted or not isinstance(wanted, bool), at


@pytest.fixture(scope="session")
def cases(contracts: Callable[[str], Any]) -> dict[str, Any]:
    return {case["name"]: case for case in contracts("response_shapes.json")["cases"]}


def test_every_published_answer_is_asked_for(cases: dict[str, Any]) -> None:
    assert cases.keys() - ASKED.keys() == NOT_MADE.keys()
    assert ASKED.keys() <= cases.keys()


@pytest.mark.parametrize("name", ASKED)
def test_answers_are_the_vendors(sf: Any, cases: dict[str, Any], name: str) -> None:
    wanted, answer = cases[name], ASKED[name](sf)
    assert answer.status_code == wanted["status"], answer.text
    assert answer.headers.get("Content-Type", "").startswith(wanted.get("content_type", ""))
    check(wanted.get("headers", {}), answer.headers, "header")
    if name != "unavailable":  # a fault strikes before the org is reached
        assert re.fullmatch(r"api-usage=\d+/\d+", answer.headers["Sforce-Limit-Info"])
    if "body_text" in wanted:
        assert general(answer.text) == general(wanted["body_text"])
        return
    made = answer.json() if answer.content else None
    check(wanted["body"], made)
    if isinstance(made, list) and answer.status_code >= 400:
        assert [set(error) for error in made] == [set(error) for error in wanted["body"]]


def test_a_token_answer_names_no_end(sf: Any) -> None:
    assert "expires_in" not in sf.token()
