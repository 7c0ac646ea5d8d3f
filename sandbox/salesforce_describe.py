"""What kinds of record there are and what fields they have, as the calling user may see them.

A field that field-level security hides is not in the answer at all, a kind that the user may not read is 404.
"""

from collections.abc import Sequence
from typing import Any

from sandbox.salesforce_errors import not_found
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_org import Org
from sandbox.salesforce_types import NUMBER_TYPES, FieldDef, ObjectDef

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "int": "xsd:int",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}


def describe_global(org: Org, call: Call) -> Reply:
    """Every kind of record that the user may read, in short."""
    rows = [_summary(org, call, kind) for kind in org.objects.values() if org.can(call.user, kind.name, "Read")]
    return 200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": rows}, {}


def _wanted(org: Org, call: Call) -> ObjectDef:
    kind = org.object(call.params["object"])
    if kind is None or not org.can(call.user, kind.name, "Read"):
        raise not_found()
    return kind


def basic(org: Org, call: Call) -> Reply:
    """One kind of record in short."""
    return 200, {"objectDescribe": _summary(org, call, _wanted(org, call)), "recentItems": []}, {}


def describe(org: Org, call: Call) -> Reply:
    """One kind of record with its fields."""
    kind = _wanted(org, call)
    fields = [_field(org, call.user, kind, one) for one in kind if org.readable(call.user, kind.name, one.name)]
    children = [
        {
            "cascadeDelete": False,
            "childSObject": child.name,
            "deprecatedAndHidden": False,
            "field": one.name,
            "relationshipName": None,
            "restrictedDelete": False,
        }
        for child in org.objects.values()
        for one in child
        if kind.name in one.refers_to and org.readable(call.user, child.name, one.name)
    ]
    body = {
        **_summary(org, call, kind),
        "actionOverrides": [],
        "childRelationships": children,
        "fields": fields,
        "recordTypeInfos": [],
        "supportedScopes": [{"label": f"All {kind.label}s", "name": "everything"}],
    }
    return 200, body, {}


def _summary(org: Org, call: Call, kind: ObjectDef) -> dict[str, Any]:
    user = call.user
    base = call.path(f"sobjects/{kind.name}")
    return {
        "activateable": False,
        "createable": kind.createable and org.can(user, kind.name, "Create"),
        "custom": kind.name.endswith("__c"),
        "customSetting": False,
        "deletable": kind.deletable and org.can(user, kind.name, "Delete"),
        "deprecatedAndHidden": False,
        "feedEnabled": False,
        "keyPrefix": kind.prefix,
        "label": kind.label,
        "labelPlural": f"{kind.label}s",
        "layoutable": not kind.setup,
        "mergeable": kind.mergeable,
        "mruEnabled": not kind.setup,
        "name": kind.name,
        "queryable": kind.queryable,
        "replicateable": not kind.setup,
        "retrieveable": True,
        "searchable": not kind.setup,
        "triggerable": not kind.setup,
        "undeletable": kind.deletable and "IsDeleted" in kind.fields,
        "updateable": kind.updateable and org.can(user, kind.name, "Edit"),
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _field(org: Org, user: str, kind: ObjectDef, one: FieldDef) -> dict[str, Any]:
    editable = org.editable(user, kind.name, one.name)
    picklist = one.type in {"picklist", "multipicklist", "combobox"}
    return {
        "aggregatable": one.filterable,
        "autoNumber": one.name in {"CaseNumber", "ContractNumber"}
        or (kind.name.endswith("__c") and one.name == "Name" and not one.createable),
        "byteLength": one.length * 3,
        "calculated": one.calculated,
        "calculatedFormula": None,
        "cascadeDelete": False,
        "caseSensitive": one.case_sensitive,
        "compoundFieldName": None,
        "controllerName": None,
        "createable": one.createable and kind.createable and editable and org.can(user, kind.name, "Create"),
        "custom": one.custom,
        "defaultValue": one.default if one.type == "boolean" else None,
        "defaultValueFormula": None,
        "defaultedOnCreate": one.defaulted or one.type == "boolean",
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": one.precision if one.type == "int" else 0,
        "encrypted": False,
        "externalId": one.external_id,
        "extraTypeInfo": "plaintextarea" if one.type in {"textarea", "longtextarea"} else None,
        "filterable": one.filterable,
        "groupable": one.groupable,
        "htmlFormatted": False,
        "idLookup": one.id_lookup,
        "inlineHelpText": None,
        "label": one.label,
        "length": one.length,
        "name": one.name,
        "nameField": one.name == _name_field(kind),
        "namePointing": len(one.refers_to) > 1,
        "nillable": not one.required and one.type != "boolean" and not one.defaulted,
        "permissionable": not one.universal,
        "picklistValues": _values(one) if picklist else [],
        "polymorphicForeignKey": len(one.refers_to) > 1,
        "precision": one.precision if one.type in NUMBER_TYPES and one.type != "int" else 0,
        "referenceTo": list(one.refers_to),
        "relationshipName": one.relationship,
        "restrictedDelete": False,
        "restrictedPicklist": one.restricted,
        "scale": one.scale,
        "soapType": _SOAP_TYPES.get(one.type, "xsd:string"),
        "sortable": one.sortable,
        "type": "textarea" if one.type == "longtextarea" else one.type,
        "unique": one.unique,
        "updateable": one.updateable and kind.updateable and editable and org.can(user, kind.name, "Edit"),
        "writeRequiresMasterRead": False,
    }


def _name_field(kind: ObjectDef) -> str:
    names = ("Name", "CaseNumber", "ContractNumber", "Subject", "MasterLabel")
    return next((name for name in names if name in kind.fields), "")


def _values(one: FieldDef) -> list[dict[str, Any]]:
    return [
        {"active": True, "defaultValue": value == one.default, "label": value, "validFor": None, "value": value}
        for value in one.values
    ]


ROUTES: Sequence[Route] = (
    Route("GET", "sobjects", describe_global),
    Route("GET", "sobjects/{object}", basic),
    Route("GET", "sobjects/{object}/describe", describe),
)
