"""HubSpot keeps a person's part in buying on the contact: the shipped map reads it, several at once."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mapping.fields import FieldMap
from mapping.schema import Contact
from tests.mapping.rows import hubspot_contact

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def people(fields: FieldMap, **values: Any) -> list[tuple[str | None, str | None]]:
    rows = [hubspot_contact(**dict.fromkeys(values, part)) | {"id": "1"} for part in values.values()]
    return [(one.role, one.title) for one in fields.apply("crm", "contacts", rows, NOW).records if type(one) is Contact]


@pytest.mark.requirement("R71")
def test_the_buying_role_is_read_beside_the_job_title() -> None:
    fields = FieldMap.load("hubspot")
    for said, role in (("DECISION_MAKER;BUDGET_HOLDER", "DECISION_MAKER;BUDGET_HOLDER"), ("", None), (None, None)):
        assert people(fields, hs_buying_role=said) == [(role, "Head of Things")]
    gone = hubspot_contact()
    del gone["properties"]["hs_buying_role"]  # a portal that does not have it
    mapped = fields.apply("crm", "contacts", [gone], NOW)
    assert ([one.role for one in mapped.records if isinstance(one, Contact)], mapped.rejects) == ([None], [])


@pytest.mark.requirement("R71")
def test_the_documented_setting_reads_another_property() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hierarchy.md").read_text("utf-8")
    (block,) = [text for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "my_buying_role" in text]
    fields = FieldMap.load("hubspot", tomllib.loads(block)["crm"]["fields"], file="config.toml", prefix="crm.fields")
    assert "my_buying_role" in fields.paths("contacts")
    assert people(fields, my_buying_role="Sponsor") == [("Sponsor", "Head of Things")]
