"""What proves that a write did nothing: the table, over every kind of write of every CRM.

Only a refused connection, an error before the request left, 401, 429, and an error that the body spells out in the
vendor's own words prove it. Whatever else goes wrong is in doubt, and what is in doubt is never sent again.
"""

from typing import Any

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from connectors.base import Change, Crm
from connectors.errors import CredentialsError, MissingPermissionError, QuotaError
from tests.conformance.rigs.base import ALWAYS
from tests.conformance.rigs.crm import CrmRig
from tests.conformance.test_crm_tasks import remove, task

WRITES = ("account", "new task", "removal")
REFUSED = requests.ConnectionError(
    MaxRetryError(None, "/", NewConnectionError(None, "refused"))  # type: ignore[arg-type]  # no pool at hand
)
RESET = requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError()))
BODY = {"message": "no", "category": "VALIDATION_ERROR", "errorCode": "MALFORMED", "status": "error"}

PROVED: dict[str, Any] = {
    "refused connection": REFUSED,
    "no connection in time": requests.ConnectTimeout(),
    "malformed header": requests.exceptions.InvalidHeader(),
    "401": {"kind": "status", "status": 401, "body": BODY},
    "401 without a body": {"kind": "html", "status": 401},
    "429": {"kind": "status", "status": 429, "body": BODY},
    "429 without a body": {"kind": "html", "status": 429},
    "400 in the vendor's words": {"kind": "status", "status": 400, "body": BODY},
    "403 in the vendor's words": {"kind": "status", "status": 403, "body": BODY},
    "404 in the vendor's words": {"kind": "status", "status": 404, "body": BODY},
    "410 in the vendor's words": {"kind": "status", "status": 410, "body": BODY},
}
"""Endings after which it is certain that nothing happened."""

UNPROVED: dict[str, Any] = {
    "time-out": requests.ReadTimeout(),
    "reset": RESET,
    "half a body": {"kind": "cut"},
    "no JSON": {"kind": "not_json"},
    "a web page with 200": {"kind": "html", "status": 200},
    "a web page with 400": {"kind": "html", "status": 400},
    "a web page with 403": {"kind": "html", "status": 403},
    "a web page with 404": {"kind": "html", "status": 404},
    "a web page with 410": {"kind": "html", "status": 410},
    "a redirect": {"kind": "html", "status": 302},
    "408": {"kind": "status", "status": 408, "body": BODY},
    **{
        str(status): {"kind": "status", "status": status, "body": BODY}
        for status in (500, 501, 502, 503, 504, 520, 530)
    },
    "500 in words that prove it elsewhere": {
        "kind": "status",
        "status": 500,
        "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}],
    },
}
"""Endings after which nobody knows."""


def changes(crm: CrmRig, source: Crm, kind: str) -> list[Change]:
    """Two changes of a kind, with whatever must be there before."""
    one, two = crm.ids("account")[:2]
    if kind == "account":
        source.read("account", [one], [crm.own("of_number")])
        return [crm.update(one), crm.update(two)]
    if kind == "new task":
        source.find_tasks([one])
        return [task(one, "a"), task(two, "b")]
    return [remove(outcome.remote_id) for outcome in source.send([task(one, "a"), task(two, "b")])]


def endings(crm: CrmRig, kind: str, ending: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every writing request of this kind end so, from now on."""
    method, path = crm.removes if kind == "removal" else (None, crm.creates if kind == "new task" else crm.updates)
    if isinstance(ending, dict):
        crm.fault(path=path, **({"method": method} if method else {}), **ending, times=ALWAYS)
        return
    usual = crm.adapter.send

    def send(request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if crm.matches(path, request) and (method or request.method) == request.method:
            crm.refusals += 1
            raise ending
        return usual(request, *args, **kwargs)

    monkeypatch.setattr(crm.adapter, "send", send)


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("ending", PROVED)
def test_what_proves_that_a_write_did_nothing(
    crm: CrmRig, kind: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = crm.ready()
    wanted = changes(crm, source, kind)
    endings(crm, kind, PROVED[ending], monkeypatch)
    try:
        outcomes = source.send(wanted)
    except (CredentialsError, MissingPermissionError, QuotaError):
        return  # which promise that nothing was sent
    assert [outcome.key for outcome in outcomes] == [change.key for change in wanted]
    assert {outcome.result for outcome in outcomes} <= {"retry", "rejected", "gone"}


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("ending", UNPROVED)
def test_what_leaves_a_write_in_doubt(crm: CrmRig, kind: str, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = crm.ready()
    wanted = changes(crm, source, kind)
    crm.box.journal.clear()
    endings(crm, kind, UNPROVED[ending], monkeypatch)
    outcomes = source.send(wanted)
    assert [(outcome.key, outcome.result) for outcome in outcomes] == [(one.key, "in_doubt") for one in wanted]
    path = crm.removes[1] if kind == "removal" else crm.creates if kind == "new task" else crm.updates
    assert crm.sent(path) + crm.refusals == 1, "what is in doubt is never sent again"
