"""HubSpot's error answers: one function a kind, each giving an `ApiError` to raise.

Statuses and keys follow HubSpot's public error-handling and usage documents and public issue threads; where the wording
is not public the text is a guess and only status, category and keys are to be relied on.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Problem = dict[str, Any]
"""One refused property value: isValid, message, error (the code), name."""

SCOPES_PAGE = "https://developers.hubspot.com/scopes"
OAUTH_PAGE = "https://developers.hubspot.com/docs/methods/auth/oauth-overview"


class ApiError(Exception):
    """An answer that is not a success.

    Args:
        status: HTTP status.
        body: JSON object without its `correlationId`, which the vendor adds; or text for a page that is not JSON.
        headers: Extra response headers.
    """

    def __init__(self, status: int, body: dict[str, Any] | str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body if isinstance(body, str) else body.get('message')}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def error(status: int, category: str, message: str, **extra: Any) -> ApiError:
    """An error of the common shape; `extra` adds keys such as errors, context, subCategory."""
    return ApiError(status, {"status": "error", "message": message, **extra, "category": category})


def validation(message: str, **extra: Any) -> ApiError:
    """400 `VALIDATION_ERROR`."""
    return error(400, "VALIDATION_ERROR", message, **extra)


def problem(name: str, code: str, message: str) -> Problem:
    """One refused value."""
    return {"isValid": False, "message": message, "error": code, "name": name}


def problems_message(problems: Sequence[Problem]) -> str:
    """The JSON list that HubSpot hides inside `message`."""
    return f"Property values were not valid: {json.dumps(list(problems), separators=(',', ':'))}"


def invalid_values(problems: Sequence[Problem], portal_id: int) -> ApiError:
    """400 for refused values: numbers come as a detail list, everything else as JSON text inside `message`."""
    if all(p["error"] == "INVALID_INTEGER" for p in problems):
        details = [
            {"message": p["message"], "code": p["error"], "context": {"propertyName": [p["name"]]}} for p in problems
        ]
        return validation("Property values were not valid", errors=details)
    told = [{**p, "localizedErrorMessage": p["message"], "portalId": portal_id} for p in problems]
    return validation(problems_message(told))


def non_unique(type_id: str, name: str, portal_id: int) -> ApiError:
    """400 for an `idProperty` that is not unique, the record id included."""
    return validation(
        f"Unable to perform update/upsert by non-unique {type_id} property {name} in portal ID {portal_id}"
    )


def bad_request() -> ApiError:
    """400 with HubSpot's most laconic text, as for a search past the 10,000th result."""
    return validation("There was a problem with the request.")


def not_found(message: str = "resource not found") -> ApiError:
    """404 `OBJECT_NOT_FOUND`."""
    return error(404, "OBJECT_NOT_FOUND", message)


def contact_exists(record_id: int) -> ApiError:
    """409 for an e-mail address that another contact already has."""
    return error(409, "CONFLICT", f"Contact already exists. Existing ID: {record_id}")


def already_exists(message: str) -> ApiError:
    """409 `OBJECT_ALREADY_EXISTS`, for properties and groups."""
    return error(409, "OBJECT_ALREADY_EXISTS", message)


def auth_missing() -> ApiError:
    """401 for a missing or unknown token."""
    return error(
        401,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
        f"details at {OAUTH_PAGE}",
    )


def auth_expired(expired_at: int, now: int) -> ApiError:
    """401 for an OAuth token past its life; both arguments in epoch milliseconds."""
    moment = datetime.fromtimestamp(expired_at // 1000, UTC).isoformat().replace("+00:00", "Z")
    return error(
        401,
        "EXPIRED_AUTHENTICATION",
        f"The OAuth token used to make this call expired {(now - expired_at) // 1000} second(s) ago.",
        context={"expire time": [moment]},
    )


def edge_refusal() -> ApiError:
    """530, an HTML page: the network edge did not understand the token."""
    return ApiError(530, "<!DOCTYPE html><html><head><title>530</title></head><body>error code: 1016</body></html>")


def missing_scopes(scopes: Sequence[str]) -> ApiError:
    """403 naming the scopes of which one is needed."""
    detail = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": list(scopes)},
    }
    return error(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: "
        f"{SCOPES_PAGE}.",
        errors=[detail],
        links={"scopes": SCOPES_PAGE},
    )


def uri_too_long() -> ApiError:
    """414, plain text."""
    return ApiError(414, "414 URI Too Long")


def method_not_allowed() -> ApiError:
    """405, plain text."""
    return ApiError(405, "HTTP 405 Method Not Allowed")


def locked() -> ApiError:
    """423: too many updates at once, the records are locked for two seconds."""
    return error(423, "LOCKED", "Locked")


def migrating(seconds: int) -> ApiError:
    """477: the account moves between data centres; `Retry-After` in seconds."""
    refusal = error(477, "MIGRATION_IN_PROGRESS", "Migration in progress")
    refusal.headers["Retry-After"] = str(seconds)
    return refusal


def rate_limited(policy: str, portal_id: int, retry_after: int | None) -> ApiError:
    """429 for TEN_SECONDLY_ROLLING, SECONDLY (search) or DAILY; the body has no category."""
    body: dict[str, Any] = {
        "status": "error",
        "message": f"You have reached your {policy.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "policyName": policy,
    }
    if policy == "TEN_SECONDLY_ROLLING":
        body["groupName"] = f"publicapi:private-app-api-calls-ten-secondly:{portal_id}"
    if policy == "DAILY":
        body["requestId"] = "3d3e35b7-0dae-4b9f-a6e3-9c230cbcf8dd"
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return ApiError(429, body, headers)


def item_error(category: str, message: str, context: Mapping[str, Sequence[str]], **extra: Any) -> dict[str, Any]:
    """One entry of `errors` in a partly successful batch."""
    return {
        "status": "error",
        "category": category,
        "message": message,
        "context": {key: list(values) for key, values in context.items()},
        "errors": [],
        "links": {},
        **extra,
    }
