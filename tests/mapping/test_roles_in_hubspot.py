"""HubSpot keeps a person's part on the contact: the config lets it count before the job title, as the docs say."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mapping.fields import FieldMap
from mapping.schema import Contact

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.requirement("R71")
def test_the_documented_setting_reads_the_buying_role() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hierarchy.md").read_text("utf-8")
    (block,) = [text for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "hs_buying_role" in text]
    fields = FieldMap.load("hubspot", tomllib.loads(block)["crm"]["fields"], file="config.toml", prefix="crm.fields")
    assert {"hs_buying_role", "jobtitle"} <= set(fields.paths("contacts"))
    rows = [
        {
            "id": str(number),
            "properties": {"email": f"p{number}@acme.example", "hs_buying_role": part, "jobtitle": "CTO"},
        }
        for number, part in enumerate(("DECISION_MAKER;BUDGET_HOLDER", "", None), 1)
    ]
    people = fields.apply("crm", "contacts", rows, NOW).records
    assert [person.title for person in people if isinstance(person, Contact)] == [
        "DECISION_MAKER;BUDGET_HOLDER",
        "CTO",
        "CTO",
    ]
