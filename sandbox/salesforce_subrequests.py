"""Several requests in one: `composite` (counted once) and `composite/batch` (each one counted).

Shapes and codes follow Salesforce's REST guide: at most 25 requests; in a composite one may refer to what an earlier
one answered (`@{account.id}`), and with `allOrNone` a failure takes every write back.
"""

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.salesforce_access import Access
from sandbox.salesforce_base import Written
from sandbox.salesforce_errors import SfError, json_error, method_not_allowed, not_found
from sandbox.salesforce_http import Call, Reply, Route, Router
from sandbox.salesforce_org import Org
from sandbox.salesforce_records import record_body

MAX_REQUESTS = 25
_ALLOWED = re.compile(r"(sobjects|query|queryAll|composite/sobjects|limits)(/.*)?")
_URL = re.compile(r"/?(?:services/data/)?v(\d+\.\d)/(.+)")
_REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


class Subrequests:
    """Sends requests within a request.

    Args:
        org: Where.
    """

    def __init__(self, org: Org) -> None:
        self.org = org
        # The table of all routes names this module too, so that it can be asked for only now.
        routes: list[Route] = importlib.import_module("sandbox.salesforce").routes()
        self._router = Router(routes)

    def send(self, outer: Call, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Reply:
        """One request's answer, errors included."""
        try:
            return self._send(outer, method, url, body, headers)
        except SfError as refusal:
            return refusal.status, refusal.body, {}

    def _send(self, outer: Call, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(url)
        form = _URL.fullmatch(unquote(parts.path))
        found = None if form is None or not _ALLOWED.fullmatch(form[2]) else self._router.match(form[2])
        if form is None or found is None:
            raise not_found()
        route = found.routes.get(method)
        if route is None:
            raise method_not_allowed(method, sorted(found.routes))
        call = Call(
            user=outer.user,
            version=form[1],
            method=method,
            params=found.params(route),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={**outer.headers, **headers},
            body=b"" if body is None else json.dumps(body).encode(),
            root=outer.root,
        )
        status, answer, more = route.operation(self.org, call)
        return status, json.loads(answer) if isinstance(answer, str) else answer, more


def _requests(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    requests = body.get(key)
    if not isinstance(requests, list) or not requests or not all(isinstance(one, dict) for one in requests):
        raise json_error(f"{key} must be a list of requests")
    if len(requests) > MAX_REQUESTS:
        raise SfError(400, "LIMIT_EXCEEDED", f"Can't have more than {MAX_REQUESTS} requests in one call")
    return requests


# ---- composite -------------------------------------------------------------------------------------------------------


def composite(org: Org, call: Call) -> Reply:
    """`POST composite`: one after the other, each with its answer."""
    body = record_body(call)
    requests = _requests(body, "compositeRequest")
    names = [str(one.get("referenceId") or "") for one in requests]
    if not all(re.fullmatch(r"\w+", name) for name in names) or len(set(names)) < len(names):
        raise json_error("Each request needs a referenceId of its own, of letters, digits and underscores")
    whole = str(body.get("allOrNone")).lower() == "true"
    kept = _Kept(org) if whole else None
    answers: list[Reply] = []
    known: dict[str, Any] = {}
    for name, one in zip(names, requests, strict=True):
        answers.append(_composed(org, call, one, known, whole=whole))
        known[name] = answers[-1][1]
        if kept is not None and answers[-1][0] >= 400:
            kept.restore()
            answers = [*map(_halted, answers[:-1]), answers[-1], *[_halted(None)] * (len(requests) - len(answers))]
            break
    rows = [
        {"body": body, "httpHeaders": dict(headers), "httpStatusCode": status, "referenceId": name}
        for name, (status, body, headers) in zip(names, answers, strict=True)
    ]
    return 200, {"compositeResponse": rows}, {}


def _halted(_answer: Reply | None) -> Reply:
    text = "The transaction was rolled back since another operation in the same transaction failed."
    return 400, SfError(400, "PROCESSING_HALTED", text).body, {}


def _composed(org: Org, call: Call, one: Mapping[str, Any], known: Mapping[str, Any], *, whole: bool) -> Reply:
    try:
        filled = _filled(dict(one), known)
    except LookupError as missing:
        text = f"Invalid reference specified. No value for {missing.args[0]} found in the earlier answers"
        return 400, SfError(400, "PROCESSING_HALTED", text).body, {}
    body = filled.get("body")
    if whole and isinstance(body, dict) and "composite/sobjects" in str(filled.get("url")):
        body = {**body, "allOrNone": True}
    method, url = str(filled.get("method")).upper(), str(filled.get("url"))
    status, answer, headers = org.part(Subrequests).send(call, method, url, body, filled.get("httpHeaders") or {})
    if whole and status < 400 and isinstance(answer, list) and any(row and row.get("errors") for row in answer):
        status = 400
    return status, answer, headers


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    """A request with its references put in. Raises `LookupError` for one that leads nowhere."""
    if isinstance(value, dict):
        return {key: _filled(one, known) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, known) for one in value]
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(lambda match: str(_follow(match, known)), value)


def _follow(match: re.Match[str], known: Mapping[str, Any]) -> Any:
    found: Any = known.get(match[1])
    for name, number in _STEP.findall(match[2]):
        try:
            found = found[int(number)] if number else found[name]
        except (LookupError, TypeError):
            raise LookupError(match[0][2:-1]) from None
    if found is None:
        raise LookupError(match[0][2:-1])
    return found


class _Kept:
    """All records as they are now, to come back to.

    Args:
        org: Whose.
    """

    def __init__(self, org: Org) -> None:
        self._org = org
        self._tables = [
            (table, len(table), {place: _copy(log) for place, log in table.written.items()})
            for table in org.tables.values()
        ]

    def restore(self) -> None:
        """Undo everything since; records made since are gone without trace."""
        for table, length, logs in self._tables:
            for place in [p for p in table.written if p < length and table.deleted(p)]:
                log = logs.get(place)
                if log is None or (log.deleted_at is None and not log.purged):
                    table.undelete(place, self._org.now, by=table.written[place].by or "")
            for place in range(length, len(table)):
                table.purge(place)
            made = {place: log for place, log in table.written.items() if place >= length}
            table.written.clear()
            table.written.update({**logs, **made})
            table.version += 1


def _copy(log: Written) -> Written:
    return replace(log, values=dict(log.values))


# ---- batch -----------------------------------------------------------------------------------------------------------


def batch(org: Org, call: Call) -> Reply:
    """`POST composite/batch`: independent requests; with `haltOnError` the first failure stops the rest (412)."""
    body = record_body(call)
    requests = _requests(body, "batchRequests")
    halts = str(body.get("haltOnError")).lower() == "true"
    results: list[dict[str, Any]] = []
    for number, one in enumerate(requests):
        if number:
            org.part(Access).admit(call.user, 1)
        method, url = str(one.get("method")).upper(), str(one.get("url"))
        status, answer, _ = org.part(Subrequests).send(call, method, url, one.get("richInput"), {})
        results.append({"statusCode": status, "result": answer})
        if halts and status >= 400:
            halted = SfError(412, "BATCH_PROCESSING_HALTED", "Batch processing halted per request")
            results += [{"statusCode": 412, "result": halted.body}] * (len(requests) - len(results))
            break
    return 200, {"hasErrors": any(row["statusCode"] >= 400 for row in results), "results": results}, {}


ROUTES: Sequence[Route] = (
    Route("POST", "composite", composite),
    Route("POST", "composite/batch", batch),
)
