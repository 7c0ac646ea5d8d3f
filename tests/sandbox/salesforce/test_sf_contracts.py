"""Held to the vendor's published objects: which fields there are, of which type, and what may be written to them."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.salesforce_base import ADMINISTRATOR
from sandbox.salesforce_catalogue import catalogue
from sandbox.salesforce_ids import PREFIXES

KINDS = (
    "Account", "Contact", "Opportunity", "Case", "Task", "Contract", "OpportunityContactRole",
    "AccountContactRelation", "User", "Organization",
)  # fmt: skip

READ_ONLY = {
    "Task.TaskSubtype": {"updateable"},
    "OpportunityContactRole.OpportunityId": {"updateable"},
    "AccountContactRelation.AccountId": {"updateable"},
    "AccountContactRelation.ContactId": {"updateable"},
    "User.UserType": {"createable", "updateable"},
    "Organization.Name": {"createable", "updateable"},
    "Organization.TimeZoneSidKey": {"createable", "updateable"},
    "Organization.DefaultCurrencyIsoCode": {"createable", "updateable"},
}
"""What the subset leaves open, and the vendor's object reference says: such references are set once, a user's type
follows the licence, and the organization is changed in its own settings."""
OPEN_TARGETS = {"Campaign", "custom objects"}
"""Kinds of record that references may name and the simulated org has none of, or under other names."""


@pytest.fixture
def described(sf: Any, contracts: Callable[[str], Any]) -> Callable[[str], tuple[Any, dict[str, Any]]]:
    """A kind's published definition, and what describe says of it to somebody who may do all that can be done."""
    sf.user(ADMINISTRATOR)

    def find(kind: str) -> tuple[Any, dict[str, Any]]:
        return contracts("objects_subset.json")["objects"][kind], sf.get(f"sobjects/{kind}/describe")

    return find


def test_every_published_object_is_there(contracts: Callable[[str], Any]) -> None:
    assert set(contracts("objects_subset.json")["objects"]) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_standard_objects_have_their_fields(described: Callable[[str], Any], kind: str) -> None:
    wanted, found = described(kind)
    assert found["keyPrefix"] == wanted["prefix"] == PREFIXES[kind]
    fields = {field["name"]: field for field in found["fields"]}
    for name, rule in wanted["fields"].items():
        made = fields[name]
        assert made["type"] == rule["type"], name
        assert made["length"] == rule.get("length", made["length"]), name
        if rule.get("required"):
            assert made["nillable"] is False, name
        if rule.get("defaulted"):
            assert made["defaultedOnCreate"] is True, name
        if "precision" in rule:
            assert (made["precision"], made["scale"]) == (rule["precision"], rule["scale"]), name
        assert made["digits"] == rule.get("digits", made["digits"]), name
        assert made["idLookup"] is rule.get("idLookup", made["idLookup"]), name
        assert set(rule.get("to", ())) - OPEN_TARGETS <= set(made["referenceTo"]), name
        offered = [value["value"] for value in made["picklistValues"]]
        assert [value for value in offered if value in rule.get("values", ())] == rule.get("values", []), name


@pytest.mark.parametrize("kind", KINDS)
def test_standard_fields_are_written_where_the_vendor_says(described: Callable[[str], Any], kind: str) -> None:
    wanted, found = described(kind)
    fields = {field["name"]: field for field in found["fields"]}
    differing = {
        f"{kind}.{name}": flags
        for name, rule in wanted["fields"].items()
        if (flags := {flag for flag in ("createable", "updateable") if fields[name][flag] != rule.get(flag, True)})
    }
    assert differing == {name: flags for name, flags in READ_ONLY.items() if name.startswith(f"{kind}.")}


def test_every_kind_of_record_has_a_prefix_of_its_own() -> None:
    kinds = catalogue(multi_currency=True, multiple_accounts=True, person_accounts=True)
    prefixes = [kind.prefix for kind in kinds.values()]
    assert len(set(prefixes)) == len(prefixes)
    for name, prefix in PREFIXES.items():
        assert name not in kinds or kinds[name].prefix == prefix
