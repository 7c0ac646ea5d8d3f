"""Salesforce's error answers: one function a kind, each giving an `SfError` to raise.

REST errors are a list of {"message", "errorCode", "fields"?}; inside a collection's answer the same error is
{"statusCode", "message", "fields"}. OAuth, SOAP and pages from the network edge have shapes of their own (`RawError`).
Codes and statuses follow Salesforce's public documents and public issue threads; of the texts only the codes are to be
relied on.
"""

from collections.abc import Sequence
from typing import Any


class SfError(Exception):
    """An answer that is not a success.

    Args:
        status: HTTP status when the error is the whole answer.
        code: Salesforce's word, e.g. "INVALID_FIELD".
        message: For people.
        fields: Names of the fields to blame; None leaves the key out of the REST body, as for errors that are not
            about a record's values.
    """

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else tuple(fields)

    @property
    def body(self) -> Any:
        """The whole answer's JSON."""
        extra = {} if self.fields is None else {"fields": list(self.fields)}
        return [{"message": self.message, "errorCode": self.code, **extra}]

    @property
    def item(self) -> dict[str, Any]:
        """The same error as an entry of `errors` in a collection's answer."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}

    @property
    def line(self) -> str:
        """The same error as `sf__Error` of a bulk job's failed results."""
        return f"{self.code}:{self.message}:{','.join(self.fields or ()) or '--'}"


class RawError(SfError):
    """An answer with a body of another shape: OAuth JSON, a SOAP fault, an HTML page.

    Args:
        status: HTTP status.
        code: What to call it.
        raw: JSON object, or text.
        content_type: Of the answer.
    """

    def __init__(self, status: int, code: str, raw: Any, content_type: str = "application/json;charset=UTF-8") -> None:
        super().__init__(status, code, str(raw)[:200])
        self.raw = raw
        self.content_type = content_type

    @property
    def body(self) -> Any:
        """The whole answer."""
        return self.raw


# ---- who may call, and how often -------------------------------------------------------------------------------------


def session_invalid() -> SfError:
    """401: no token, an unknown one or one past its life."""
    return SfError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def session_not_for_rest() -> SfError:
    """401 with the same code, which no new login cures."""
    return SfError(401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")


def daily_limit() -> SfError:
    """403: the org's calls of the last 24 hours are used up."""
    return SfError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def concurrent_limit() -> SfError:
    """403: too many long calls at once."""
    return SfError(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")


def api_disabled_for_org() -> SfError:
    """403: the edition has no API."""
    return SfError(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")


def api_currently_disabled() -> SfError:
    """403: the user lacks "API Enabled"."""
    return SfError(403, "API_CURRENTLY_DISABLED", "API is not enabled for this Organization or Partner")


def oauth_error(error: str, description: str) -> RawError:
    """400 of the token endpoint."""
    return RawError(400, error, {"error": error, "error_description": description})


def bad_oauth_token() -> RawError:
    """403 of the identity service and of userinfo, plain text."""
    return RawError(403, "Bad_OAuth_Token", "Bad_OAuth_Token", "text/html;charset=UTF-8")


def soap_fault(code: str, message: str) -> RawError:
    """500 of the SOAP login."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault>'
        f"<faultcode>{code}</faultcode><faultstring>{code}: {message}</faultstring>"
        f"<detail><sf:LoginFault><sf:exceptionCode>{code}</sf:exceptionCode>"
        f"<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    return RawError(500, code, text, "text/xml;charset=UTF-8")


# ---- the request itself ----------------------------------------------------------------------------------------------


def uri_too_long() -> RawError:
    """414, an HTML page."""
    return RawError(414, "URI Too Long", "<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>", "text/html")


def headers_too_large() -> RawError:
    """431, an HTML page: URI and headers together are too long."""
    title = "Error 431 Request Header Fields Too Large"
    return RawError(431, title, f"<html><head><title>{title}</title></head></html>", "text/html")


def unsupported_version(version: str) -> SfError:
    """404: a version that was retired or never was."""
    return SfError(404, "UNSUPPORTED_API_VERSION", f"API version {version} is not supported")


def not_found(message: str = "The requested resource does not exist") -> SfError:
    """404: no such path, or a GET of a record that is not there."""
    return SfError(404, "NOT_FOUND", message)


def method_not_allowed(method: str, allowed: Sequence[str]) -> SfError:
    """405: the path takes other methods."""
    return SfError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {','.join(allowed)}")


def json_error(message: str = "Unexpected character at [line:1, column:1]") -> SfError:
    """400: the body is not the JSON wanted."""
    return SfError(400, "JSON_PARSER_ERROR", message)


# ---- names -----------------------------------------------------------------------------------------------------------


def invalid_type(name: str) -> SfError:
    """400: no such kind of record, or none that the user may see, in a query."""
    return SfError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")


def query_no_such_field(field: str, entity: str, context: str = "") -> SfError:
    """400: a field that is missing or hidden, in a query; `context` is the passage pointed at, with its line ends."""
    return SfError(
        400,
        "INVALID_FIELD",
        f"{context}No such column '{field}' on entity '{entity}'. If you are attempting to use a custom field, be sure "
        "to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names.",
    )


def write_no_such_field(field: str, entity: str) -> SfError:
    """400: a field that is missing or hidden, in a write."""
    return SfError(400, "INVALID_FIELD", f"No such column '{field}' on sobject of type {entity}")


def field_read_only(*fields: str) -> SfError:
    """400: fields that are there but that the user may not set."""
    message = (
        f"Unable to create/update fields: {', '.join(fields)}. Please check the security settings of this field and "
        "verify that it is read/write for your profile or permission set."
    )
    return SfError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, fields)


# ---- records ---------------------------------------------------------------------------------------------------------


def entity_deleted() -> SfError:
    """404: the record lies in the recycle bin."""
    return SfError(404, "ENTITY_IS_DELETED", "entity is deleted", ())


def patch_missing() -> SfError:
    """404: a write to a record that is not there."""
    return SfError(404, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ())


def no_access() -> SfError:
    """400: the record referred to is not visible to the user."""
    return SfError(
        400,
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "insufficient access rights on cross-reference id",
        (),
    )


def read_only_user() -> SfError:
    """403: the user may see the record but not change it."""
    return SfError(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", ())


def row_locked(record_id: str) -> SfError:
    """400: another transaction held the record for longer than the server waits."""
    message = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
    return SfError(400, "UNABLE_TO_LOCK_ROW", message, ())


def validation_rule(message: str, field: str | None = None) -> SfError:
    """400: a rule that an administrator of the org made."""
    return SfError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", message, () if field is None else (field,))


def trigger_failed(message: str) -> SfError:
    """400: the org's own code failed."""
    return SfError(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, ())


def inactive_owner(user_id: str, kind: str, field: str = "OwnerId") -> SfError:
    """400: the owner wanted was deactivated."""
    message = f"operation performed with inactive user [{user_id[:15]}] as owner of {kind.lower()}"
    return SfError(400, "INACTIVE_OWNER_OR_USER", message, (field,))
