"""The examples in docs/mapping.md and docs/identity.md are run, and their tables are compared with the code."""

import doctest
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mapping.convert import CONVERTERS
from mapping.fields import FieldMap
from mapping.identity import Settings
from mapping.match import RULES
from mapping.spec import SPEC_KEYS
from tests.mapping.salesforce_rows import OVERRIDES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("mapping", "identity")}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], re.DOTALL)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_examples_do_what_the_page_says(page: str) -> None:
    text = "\n".join(blocks(page, "python"))
    test = doctest.DocTestParser().get_doctest(text, {}, page, f"docs/{page}.md", 0)
    assert len(test.examples) >= 3
    said: list[str] = []
    runner = doctest.DocTestRunner()
    runner.run(test, out=said.append)
    assert said == []


def test_overrides_on_the_page_load_and_are_used() -> None:
    config, _ = (tomllib.loads(block) for block in blocks("mapping", "toml"))
    crm = FieldMap.load("hubspot", config["crm"]["fields"])
    assert "my_plan" in crm.paths("companies")
    assert "zendesk_org_id" in crm.paths("companies")
    assert "lifecyclestage" not in crm.paths("companies")
    for vendor, table in config["sources"].items():
        fields = FieldMap.load(vendor, table["fields"])
        events = fields.events()
        assert events is None or events.account == "properties.workspace_id"


def test_salesforce_overrides_on_the_page_load_and_are_those_that_the_tests_use() -> None:
    _, config = (tomllib.loads(block) for block in blocks("mapping", "toml"))
    fields = config["crm"]["fields"]
    assert "Zendesk_Ticket_Id__c" in FieldMap.load("salesforce", fields).paths("cases")
    assert {stream: fields[stream] for stream in OVERRIDES} == OVERRIDES


def test_settings_on_the_page_are_settings() -> None:
    (config,) = (tomllib.loads(block) for block in blocks("identity", "toml"))
    settings = Settings.model_validate(config["identity"])
    assert settings.pins[0].source_id == "71"
    assert settings.own_domains == ("vendor.example",)


@pytest.mark.parametrize(("page", "names"), [("mapping", [*CONVERTERS, *SPEC_KEYS]), ("identity", list(RULES))])
def test_tables_name_everything(page: str, names: list[Any]) -> None:
    assert not [name for name in names if not re.search(rf"[`\[{{ ]{name}[`. =]", PAGES[page])]


def test_the_table_of_rules_tells_their_confidence() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", PAGES["identity"], re.MULTILINE)
    assert {rule: int(confidence) for rule, confidence in rows} == {rule: said for rule, (said, _) in RULES.items()}
