"""The documentation is generated, or checked against the code."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES

ROOT = Path(__file__).parent.parent
PAGES_BY_HAND = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", PAGES)
def test_reference_pages_follow_the_code(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == PAGES[name]().rstrip("\n") + "\n", "run `make docs`"


def test_every_exit_code_is_listed() -> None:
    from cli import errors

    names = ("OK", "ERROR", "USAGE", "CREDENTIALS", "CONFLICTS", "HELD", "LOCKED", "STOPPED")
    assert [getattr(errors, name) for name in names] == list(errors.EXIT_CODES)
    rows = re.findall(
        r"^\| (\d+) \| (.+) \|$", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {int(code): meaning for code, meaning in rows} == errors.EXIT_CODES


def test_the_readme_opens_with_the_two_commands() -> None:
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    assert [line.split()[:2] for line in block[1].splitlines()] == [["make", "demo"], ["make", "test"]]


def test_commands_in_the_docs_exist() -> None:
    from agent import COMMANDS

    for page in PAGES_BY_HAND:
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"(?:`|^\s*|bin/)holdfast ([a-z]+(?:-[a-z]+)*)", text, re.MULTILINE):
            assert command in COMMANDS, f"{page.name}: holdfast {command}"


def test_every_command_has_an_example() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    parts = text.partition("\n## Exit codes")[0].split("\n## ")[1:]
    assert len(parts) >= 11
    assert not [part.splitlines()[0] for part in parts if "Example: holdfast" not in part]


def test_the_changelog_names_the_version() -> None:
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_hubspot_page_names_every_field() -> None:
    from sync.owned import default_fields

    text = (ROOT / "docs" / "vendors" / "hubspot.md").read_text(encoding="utf-8")
    assert not [field.spec.name for field in default_fields([]) if f"`{field.spec.name}`" not in text]


def test_the_house_map_names_every_module_of_the_simulated_salesforce() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    part = text.partition("## The simulated Salesforce")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w*\.py)`", part))
    files = (ROOT / "sandbox").glob("salesforce*.py")
    assert named == {path.name.removeprefix("salesforce") for path in files}


def test_the_house_map_names_every_module_of_sync() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    part = text.partition("## What is where in `sync`")[2].partition("\n## ")[0]
    files = {path.name for path in (ROOT / "sync").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", part)) == files
