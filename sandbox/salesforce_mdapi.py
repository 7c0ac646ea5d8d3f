"""The Metadata API's own calls (SOAP): custom objects and fields made, changed, read and deleted, ten at a time.

`POST /services/Soap/m/NN.0` with a `SessionHeader`; the calls are `createMetadata`, `upsertMetadata`, `readMetadata`
and `deleteMetadata`, for the types CustomObject and CustomField. Each component has a result of its own, in order; the
needed permission is "Modify Metadata Through Metadata API Functions". Shapes follow the public WSDL; what goes wrong
with the whole call is a SOAP fault (500).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from sandbox.salesforce_access import Access
from sandbox.salesforce_errors import RawError, SfError, read_only_user, soap_fault
from sandbox.salesforce_http import Call
from sandbox.salesforce_objects import CustomObjects
from sandbox.salesforce_org import Org
from sandbox.salesforce_tooling import CustomFields, change_field, make_field

MAX_COMPONENTS = 10
PATH = "/services/Soap/m/"

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
_LISTS = frozenset({"fields", "value", "valueSettings", "fullNames"})
"""Elements that may stand several times."""
_LONGEST = 1_000_000


def answer(org: Org, access: Access, body: bytes, version: str) -> str:
    """One call's answer, as XML. Raises a 500 fault."""
    if not re.fullmatch(r"\d+\.0", version) or not (
        org.options.first_version <= int(version.partition(".")[0]) <= org.options.last_version
    ):
        raise soap_fault("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
    session, call, element = _read(body)
    try:
        user = access.authenticate(f"Bearer {session}")
        access.admit(user, 1)
        if not (org.may(user, "ModifyMetadata") or org.may(user, "CustomizeApplication")):
            raise read_only_user()
    except RawError:
        raise
    except SfError as refusal:
        raise soap_fault(refusal.code, refusal.message) from None
    if call == "readMetadata":
        return _envelope(call, "".join(_shown(org, *one) for one in _named(element)), wrap=True)
    if call == "deleteMetadata":
        return _envelope(
            call, "".join(_result(name, _tried(_delete, org, kind, name)) for kind, name in _named(element))
        )
    if call not in {"createMetadata", "upsertMetadata"}:
        raise soap_fault("INVALID_TYPE", f"No operation available for request {call}")
    return _envelope(call, "".join(_saved(org, call, user, *one) for one in _components(element)))


def reads(body: bytes) -> bool:
    """Whether a call changes nothing."""
    return b"readMetadata" in body


# ---- XML -------------------------------------------------------------------------------------------------------------


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _read(body: bytes) -> tuple[str, str, ET.Element]:
    """Session, name of the call and its element. Raises a 500 fault."""
    if len(body) > _LONGEST or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise soap_fault("MALFORMED_REQUEST", "The request is too large or has a document type")
    try:
        root = ET.fromstring(body)  # noqa: S314 - no document type, bounded, and only the sandbox's own client
    except ET.ParseError as error:
        raise soap_fault("MALFORMED_REQUEST", f"The request is no XML: {error}") from None
    session = next((one.text or "" for one in root.iter() if _local(one.tag) == "sessionId"), "")
    frame = next((one for one in root if _local(one.tag) == "Body"), None)
    if frame is None or len(frame) != 1:
        raise soap_fault("MALFORMED_REQUEST", "The envelope needs a body with one call")
    return session.strip(), _local(frame[0].tag), frame[0]


def _plain(element: ET.Element) -> Any:
    """An element as JSON would have it: texts, objects, and lists of what may repeat."""
    if not len(element):
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        name = _local(child.tag)
        if name in _LISTS:
            found.setdefault(name, []).append(_plain(child))
        else:
            found[name] = _plain(child)
    return found


def _components(element: ET.Element) -> list[tuple[str, str, dict[str, Any]]]:
    """Type, full name and definition of each component sent. Raises a 500 fault."""
    parts = [one for one in element if _local(one.tag) == "metadata"]
    kinds = {str(one.get(_XSI, "")).rpartition(":")[2] for one in parts}
    if len(parts) > MAX_COMPONENTS or len(kinds) != 1 or not kinds <= _KINDS.keys():
        message = f"Send at most {MAX_COMPONENTS} components of one type, one of {', '.join(_KINDS)}"
        raise soap_fault("INVALID_TYPE", message)
    plain = [_plain(one) for one in parts]
    given = [one if isinstance(one, dict) else {} for one in plain]
    kind = kinds.pop()
    return [(kind, str(one.pop("fullName", "")), one) for one in given]


def _named(element: ET.Element) -> list[tuple[str, str]]:
    """Type and full name of each component that a call names. Raises a 500 fault."""
    found = _plain(element)
    kind, names = (found.get("type", ""), found.get("fullNames", [])) if isinstance(found, dict) else ("", [])
    if kind not in _KINDS or not 0 < len(names) <= MAX_COMPONENTS:
        raise soap_fault("INVALID_TYPE", f"Name up to {MAX_COMPONENTS} components of one of {', '.join(_KINDS)}")
    return [(str(kind), str(name)) for name in names]


def _envelope(call: str, results: str, *, wrap: bool = False) -> str:
    inner = f"<result>{results}</result>" if wrap else results
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="http://soap.sforce.com/2006/04/metadata" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        f"<{call}Response>{inner}</{call}Response></soapenv:Body></soapenv:Envelope>"
    )


def _result(name: str, refusal: SfError | None, *, created: bool | None = None) -> str:
    first = "" if created is None else f"<created>{str(created and refusal is None).lower()}</created>"
    errors = "" if refusal is None else (
        f"<errors><message>{escape(refusal.message)}</message><statusCode>{refusal.code}</statusCode></errors>"
    )  # fmt: skip
    success = str(refusal is None).lower()
    return f"<result>{first}{errors}<fullName>{escape(name)}</fullName><success>{success}</success></result>"


def _xml(name: str, value: Any) -> str:
    """A JSON value as elements."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(_xml(name, one) for one in value)
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_xml(key, one) for key, one in value.items())}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


# ---- components ------------------------------------------------------------------------------------------------------


def _tried(work: Callable[..., None], *args: Any) -> SfError | None:
    try:
        work(*args)
    except SfError as refusal:
        return refusal
    return None


def _saved(org: Org, call: str, user: str, kind: str, name: str, given: dict[str, Any]) -> str:
    there = _found(org, kind, name) is not None
    if call == "upsertMetadata":
        return _result(name, _tried(_KINDS[kind][there], org, user, name, given), created=not there)
    return _result(name, _tried(_KINDS[kind][0], org, user, name, given))


def _found(org: Org, kind: str, name: str) -> Mapping[str, Any] | None:
    """A component's definition; None when there is none."""
    if kind == "CustomObject":
        known = org.object(name)
        if known is None or not known.name.endswith("__c"):
            return None
        return org.part(CustomObjects).known(known.name).given or {"label": known.label}
    owner, _, field = name.partition(".")
    entry = next((one for one in org.part(CustomFields).on(owner) if one.name.lower() == field.lower()), None)
    return None if entry is None else entry.given or {"type": "Text"}


def _shown(org: Org, kind: str, name: str) -> str:
    found = _found(org, kind, name)
    if found is None:
        return f'<records xsi:type="{kind}" xsi:nil="true"/>'
    inner = "".join(_xml(key, value) for key, value in found.items())
    return f'<records xsi:type="{kind}"><fullName>{escape(name)}</fullName>{inner}</records>'


def _delete(org: Org, kind: str, name: str) -> None:
    if _found(org, kind, name) is None:
        raise SfError(400, "INVALID_CROSS_REFERENCE_KEY", f"no {kind} named {name} found")
    if kind == "CustomObject":
        objects = org.part(CustomObjects)
        known = org.object(name)
        objects.drop(objects.known(name if known is None else known.name))
    else:
        fields, (owner, _, field) = org.part(CustomFields), name.partition(".")
        fields.forget(fields.known(owner, field))


def _make_object(org: Org, user: str, name: str, given: dict[str, Any]) -> None:
    fields = given.pop("fields", [])
    org.part(CustomObjects).make(name, given)
    for one in fields:
        _make_field(org, user, f"{name}.{one.pop('fullName', '')}", one)


def _change_object(org: Org, _user: str, name: str, given: dict[str, Any]) -> None:
    objects, known = org.part(CustomObjects), org.object(name)
    given.pop("fields", None)
    objects.change(objects.known(name if known is None else known.name), given)


def _make_field(org: Org, user: str, name: str, given: dict[str, Any]) -> None:
    make_field(org, Call(user), name, given)


def _change_field(org: Org, user: str, name: str, given: dict[str, Any]) -> None:
    fields, (owner, _, field) = org.part(CustomFields), name.partition(".")
    change_field(org, Call(user), fields.known(owner, field), given)


Saver = Callable[[Org, str, str, dict[str, Any]], None]
_KINDS: Mapping[str, Sequence[Saver]] = {
    "CustomObject": (_make_object, _change_object),
    "CustomField": (_make_field, _change_field),
}
"""Type -> how to make one, how to change one."""
