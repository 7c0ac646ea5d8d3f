"""Requests inside another one: a query whose text is too long for an address, and several small reads for one call.

Salesforce's own advice against 414 and 431 is a composite request with the query as one of its parts. One has up to 25
parts and counts as one call; each part's answer stands in its own answer, refusals included.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from connectors.base import Row
from connectors.errors import ShapeError
from connectors.retry import find_rule
from connectors.salesforce_rules import RULES, error_codes

MOST_PARTS = 25


def together(paths: Sequence[str]) -> Row:
    """The body of a composite request that reads several resources; parts are answered in order."""
    parts = [{"method": "GET", "referenceId": f"part{n}", "url": path} for n, path in enumerate(paths)]
    return {"allOrNone": False, "compositeRequest": parts}


def apart(answer: Any, count: int) -> list[Any]:
    """What each part of such a request was answered with; None for one that was refused or is not there."""
    parts = answer.get("compositeResponse") if isinstance(answer, dict) else None
    found: dict[str, Any] = {}
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and part.get("httpStatusCode") == 200:
            found[str(part.get("referenceId"))] = part.get("body")
    return [found.get(f"part{n}") for n in range(count)]


def wrapped(path: str, soql: str) -> Row:
    """The body of a composite request that asks one query.

    Args:
        path: Of the resource that answers queries, version included.
        soql: The query.
    """
    part = {"method": "GET", "referenceId": "rows", "url": f"{path}?{urlencode({'q': soql})}"}
    return {"allOrNone": False, "compositeRequest": [part]}


def unwrapped(answer: Any, vendor: str) -> Any:
    """What the only part of a composite request was answered with.

    Raises:
        ShapeError: There is no such part.
        ConnectorError: It was refused; which kind follows from the rules, as for any request.
    """
    parts = answer.get("compositeResponse") if isinstance(answer, dict) else None
    part = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], dict) else {}
    status, body = part.get("httpStatusCode"), part.get("body")
    if status == 200:
        return body
    if not isinstance(status, int):
        raise ShapeError("a composite request was answered without its part.", vendor=vendor)
    codes = error_codes(body)
    rule = find_rule(RULES, status, codes)
    message = f"a query in a composite request answered {status} ({', '.join(codes) or 'no code'})."
    code = rule.code or (codes[0] if codes else "")
    raise rule.error(message, vendor=vendor, status=status, code=code, advice=rule.advice, detail=body)
