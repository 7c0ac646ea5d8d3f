"""The vendor's own list of requests: each one of a resource that is served here gets an answer that makes sense."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET
from sandbox.salesforce_access import PASSWORD, REFRESH_TOKEN, SECURITY_TOKEN
from sandbox.salesforce_base import INTEGRATION_USER, ORGANIZATION

ELSEWHERE = (
    "/services/data/vN/composite/graph", "/services/data/vN/composite/tree", "/services/data/vN/tooling/completions",
    "/services/data/vN/tooling/executeAnonymous", "/services/data/vN/tooling/runTests",
    "/services/data/vN/tooling/search", "/services/Soap/m/", "/services/oauth2/authorize",
    "/services/oauth2/introspect", "/services/oauth2/register", "/.well-known/", "/id/keys",
)  # fmt: skip
"""Resources that are not simulated: several levels of records at once, code, metadata by SOAP, logins by a browser,
and what an identity provider does."""

ACCOUNT = {"attributes": {"type": "Account"}, "Name": "Made"}
LISTED = {"records": [ACCOUNT]}
LIMITS = {"method": "GET", "url": "v64.0/limits"}
SENT: dict[str, Any] = {
    "bulk_v2/create_job.json": {"object": "Account", "operation": "update"},
    "composite/batch.json": {"batchRequests": [LIMITS]},
    "composite/composite.json": {
        "compositeRequest": [{"method": "GET", "url": "/services/data/v64.0/limits", "referenceId": "one"}]
    },
    "composite/sobject_collections_create.json": LISTED,
    "composite/sobject_collections_update.json": LISTED,
    "query/create_job_query.json": {"operation": "query", "query": "SELECT Id FROM Account"},
    "rest/sobject_rows_update.json": {"Name": "Changed"},
    "tooling/post_tooling_sobject.json": {
        "FullName": "Account.Made__c", "Metadata": {"type": "Text", "label": "Made", "length": 20},
    },
}  # fmt: skip
"""Bodies, where the published one only tells their form."""

REFUSED: Mapping[str, tuple[int, str]] = {
    "auth/asset_token_flow.json": (400, "unsupported_grant_type"),
    "auth/web_server_flow_2.json": (400, "unsupported_grant_type"),
    "auth/jwt_bearer_token_flow.json": (400, "invalid_grant"),
    "composite/sobject_collections_delete.json": (405, "METHOD_NOT_ALLOWED"),
    "composite/sobject_collections_update.json": (405, "METHOD_NOT_ALLOWED"),
    "bulk_v2/delete_job.json": (400, "INVALIDJOBSTATE"),
    "bulk_v2/get_job_failed_record_results.json": (400, "INVALIDJOBSTATE"),
    "bulk_v2/get_job_successful_record_results.json": (400, "INVALIDJOBSTATE"),
    "bulk_v2/get_job_unprocessed_record_results.json": (400, "INVALIDJOBSTATE"),
    "query/delete_job_query.json": (400, "API_ERROR"),
    "rest/sobject_relationships.json": (404, "NOT_FOUND"),
    "tooling/access_records.json": (404, "NOT_FOUND"),
}
"""Templates as they stand that get a refusal: flows and an assertion that are not taken, the kind of record in a path
that has none, jobs that are not over, parents by path (queries give them), a tooling record without its kind."""

QUERIES: Mapping[str, str] = {"tooling/tooling_query.json": "SELECT Id, DeveloperName FROM CustomField"}


def values(sf: Any, file: str) -> dict[str, str]:
    """What stands for the words in braces."""
    kind = "CustomField" if file.startswith("tooling/") else "Account"
    job = ""
    if "_job" in file or file.startswith("query/"):
        of_query = file.startswith("query/")
        sent = SENT["query/create_job_query.json" if of_query else "bulk_v2/create_job.json"]
        job = sf.post("jobs/query" if of_query else "jobs/ingest", sent)["id"]
    return {
        "{{_endpoint}}": "", "{{url}}": "", "{{site}}": "", "{{version}}": "64.0", "{{_jobId}}": job,
        "{{_orgId}}": ORGANIZATION, "{{_userId}}": INTEGRATION_USER, "{{clientId}}": SALESFORCE_KEY,
        "{{clientSecret}}": SALESFORCE_SECRET, "{{_refreshToken}}": REFRESH_TOKEN, "{{password}}": PASSWORD,
        "{{username}}": sf.value(INTEGRATION_USER, "Username"), "{{secretToken}}": SECURITY_TOKEN,
        "{{_accessToken}}": sf.token()["access_token"], "<SOBJECT_API_NAME>": kind, "<RECORD_ID>": sf.account()[0],
        "<FIELD_NAME>": "Id", "<FIELD_VALUE>": sf.account()[0], "<RELATIONSHIP_FIELD_NAME>": "Owner",
        "{{redirectUrl}}": "https://localhost/",
    }  # fmt: skip


def params(sf: Any, template: Any) -> dict[str, str]:
    """Parameters of the query, the empty ones filled in."""
    now = sf.sandbox.clock.now()
    known = {
        "ids": sf.account()[0], "fields": "Id,Name", "start": (now - timedelta(days=1)).isoformat(),
        "end": now.isoformat(), "q": QUERIES.get(template["file"], "SELECT Name FROM Account"),
    }  # fmt: skip
    return {row["key"]: known.get(row["key"], row["value"]) for row in template.get("query", ())}


def send(sf: Any, template: Any) -> Any:
    known = values(sf, template["file"])

    def filled(text: str) -> str:
        return re.sub(r"\{\{\w+\}\}|<[A-Z_]+>", lambda found: known[found[0]], text)

    headers = {row["key"]: filled(row["value"]) for row in template.get("headers", ()) if row["key"] == "Content-Type"}
    body: Any = {row["key"]: filled(row["value"]) for row in template.get("form", ())}
    if template["method"] in {"POST", "PATCH"} and not body:
        given = SENT.get(template["file"])
        body = filled(template.get("body_template", "")) if given is None else json.dumps(given)
    if template["file"] == "bulk_v2/upload_job_data.json":
        body = "Id,Name\n"
    path = urlsplit(filled(template["url"])).path
    return sf.send(template["method"], path, params=params(sf, template), data=body or None, headers=headers)


@pytest.fixture
def templates(contracts: Callable[[str], Any]) -> list[Any]:
    listed = contracts("request_templates_cc0.json")["requests"]
    general = {t["file"]: re.sub(r"^(\{\{\w+\}\})+", "", t["url"]).replace("v{{version}}", "vN") for t in listed}
    served = [t for t in listed if not general[t["file"]].startswith(ELSEWHERE)]
    assert len(served) > 50
    return served


def test_every_request_of_a_served_resource_is_answered(make_client: Callable[..., Any], templates: list[Any]) -> None:
    refused = {}
    for template in templates:
        answer = send(make_client(soap_login=True, password_flow=True), template)
        if answer.status_code >= 300:
            error = answer.json()
            code = error["error"] if isinstance(error, dict) else error[0]["errorCode"]
            refused[template["file"]] = (answer.status_code, code)
    assert refused == REFUSED
