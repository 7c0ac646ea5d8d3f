"""Makes the object that holds receipts (see `connectors.salesforce_receipts`) and grants it to the agent.

Objects are made by the SOAP Metadata API alone: the Tooling API, which makes fields, only reads them (Salesforce's
Tooling API reference). The one call is small enough to be written out here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from connectors.base import FieldDiff, Row
from connectors.errors import ConnectorError, CredentialsError, MissingPermissionError, QuotaError, RequestError
from connectors.salesforce_api import Api
from connectors.salesforce_kinds import RECEIPT, RECEIPT_KEY
from connectors.salesforce_metadata import RECEIPT_FIELD, XMLNS, receipt_field, receipt_object
from connectors.salesforce_receipts import usable
from connectors.salesforce_soql import quoted

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
BY_FILES = "deploy the files that `holdfast setup --files FOLDER` writes"
TAKEN = "DUPLICATE_DEVELOPER_NAME"
RIGHTS = {"PermissionsRead": True, "PermissionsCreate": True}

Send = Callable[[str, str, Mapping[str, Any]], Row]
Rows = Callable[[str, str], list[Row]]


class ReceiptSetup:
    """Looks after the object in one org.

    Args:
        api: The org, as the agent's user; what it sees is what counts.
        admin: The org, as the one who makes things.
        send: Sends a record or definition as the administrator.
        rows: Asks a query as the administrator.
    """

    def __init__(self, api: Api, admin: Api, send: Send, rows: Rows) -> None:
        self.api = api
        self.admin = admin
        self._send = send
        self._rows = rows

    def look(self) -> FieldDiff:
        """Whether receipts can be made."""
        try:
            about = self.api.about(RECEIPT, purpose="setup", fresh=True)
        except MissingPermissionError:
            return FieldDiff(RECEIPT_FIELD, "create", "an object with a unique key, for receipts of tasks")
        if usable(about):
            return FieldDiff(RECEIPT_FIELD, "ok")
        return FieldDiff(
            RECEIPT_FIELD, "create", "its key is hidden, read-only or not unique; setup makes and grants it"
        )

    def make(self, permission_set: Callable[[], str]) -> FieldDiff:
        """Make what is missing and grant it to the permission set; gives what came of it."""
        try:
            why = self._make_object() or self._make_field() or self._grant(permission_set())
        except (CredentialsError, QuotaError):
            raise
        except ConnectorError as error:
            why = error.message
        after = self.look()
        if after.action == "ok":
            return FieldDiff(RECEIPT_FIELD, "create")
        return FieldDiff(RECEIPT_FIELD, "conflict", f"{why or after.detail}; {BY_FILES}")

    def _make_object(self) -> str:
        """Why the object could not be made; "" when it is there."""
        envelope = (
            f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="{SOAP}" xmlns:xsi="{XSI}"><env:Header>'
            f'<SessionHeader xmlns="{XMLNS}"><sessionId>{escape(self.admin.session())}</sessionId></SessionHeader>'
            f'</env:Header><env:Body><createMetadata xmlns="{XMLNS}"><metadata xsi:type="CustomObject">'
            f"<fullName>{RECEIPT}</fullName>{_xml(receipt_object())}"
            "</metadata></createMetadata></env:Body></env:Envelope>"
        )
        headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": "createMetadata"}
        path = f"/services/Soap/m/{self.admin.version}"
        answer = self.admin.raw("POST", path, purpose="setup", data=envelope, repeatable=False, headers=headers)
        text = answer.text
        if re.search(r"<success>true</success>", text) or TAKEN in text:
            return ""
        told = re.search(r"<(?:message|faultstring)>([^<]{1,300})", text)
        return f"Salesforce refused the object: {told.group(1) if told else 'no reason given'}"

    def _make_field(self) -> str:
        body = {"FullName": f"{RECEIPT}.{RECEIPT_KEY}", "Metadata": receipt_field()}
        try:
            self._send("POST", "tooling/sobjects/CustomField", body)
        except RequestError as error:
            if error.code != TAKEN and TAKEN not in error.message and "already" not in error.message:
                return error.message
        return ""

    def _grant(self, parent: str) -> str:
        soql = f"SELECT Id FROM ObjectPermissions WHERE ParentId = {quoted(parent)} AND SobjectType = {quoted(RECEIPT)}"
        there = self._rows("query", soql)
        if there:
            self._send("PATCH", f"sobjects/ObjectPermissions/{there[0]['Id']}", RIGHTS)
        else:
            self._send("POST", "sobjects/ObjectPermissions", {"ParentId": parent, "SobjectType": RECEIPT, **RIGHTS})
        field = f"{RECEIPT}.{RECEIPT_KEY}"
        soql = f"SELECT Id FROM FieldPermissions WHERE ParentId = {quoted(parent)} AND Field = {quoted(field)}"
        rights = {"PermissionsRead": True, "PermissionsEdit": True}
        if not self._rows("query", soql):
            body = {"ParentId": parent, "SobjectType": RECEIPT, "Field": field, **rights}
            self._send("POST", "sobjects/FieldPermissions", body)
        return ""


def _xml(value: Mapping[str, Any]) -> str:
    """A definition as elements, in the order in which the API lists them: by the alphabet."""
    parts = []
    for name in sorted(value):
        one = value[name]
        inner = _xml(one) if isinstance(one, Mapping) else escape(str(one))
        parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)
