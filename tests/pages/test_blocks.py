"""Every block of README.md and docs/ says something true: commands exist, settings load, code compiles, SQL runs."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.config import load
from cli.field_maps import field_map_of
from cli.settings import tables
from mapping.fields import FieldMap, FieldMapError
from scoring.card import Scorecard
from sync.store import Store
from tests.pages.blocks import PAGES, ROOT, Block, blocks, holdfast, name, shell, spans

LANGUAGES = {"sh", "console", "toml", "sql", "python", "yaml", "text"}
CONFIG = {"crm", "sources", "events", *tables()}
CRMS: dict[str, dict[str, Any]] = {
    "hubspot": {"token": {"env": "CRM_TOKEN"}},
    "salesforce": {"domain": "acme.my", "consumer_key": "key", "consumer_secret": {"env": "CRM_TOKEN"}},
}
MISSING = (click.MissingParameter, click.exceptions.NoArgsIsHelpError)
"""In a sentence a command may go without what it needs."""

NEVER_RUN = {
    "docs/data.md": ["holdfast", "target-postgres", "pipx", "datasette", "mkdir"],
    "docs/monitoring.md": ["holdfast"],  # writes into the machine's own folder
    "docs/running.md": ["pipx", "holdfast", "sudo", "docker", "kubectl"],
}
"""Page -> programs in those of its blocks that say no-run: what needs root, a cluster, an index or a person."""


def ids(block: Block) -> str:
    return str(block)


def understood(where: str, words: list[str], *, sentence: bool = False) -> None:
    """Every option and argument is one that the command takes; nothing is run."""
    from agent import cli

    try:
        context = cli.make_context("holdfast", list(words))
        command: click.Command = cli
        rest = list(words)
        while isinstance(command, click.Group) and rest:
            _, found, rest = command.resolve_command(context, rest)
            assert found is not None, f"{where}: {words}"
            command = found
            if isinstance(command, click.Group) and rest:
                context = command.make_context(command.name, list(rest), parent=context)
        if not isinstance(command, click.Group):
            command.make_context(command.name, rest, parent=context)
    except click.exceptions.Exit:
        return  # --version, --help
    except click.UsageError as error:
        if not (sentence and isinstance(error, MISSING)):
            pytest.fail(f"{where}: holdfast {' '.join(words)}: {error.format_message()}")


def test_every_block_is_in_a_language_that_is_checked() -> None:
    found = blocks()
    assert len(found) > 100
    assert {block.language for block in found} <= LANGUAGES
    assert {word for block in found for word in block.words} == {"no-run"}


def test_what_is_never_run_is_listed() -> None:
    told: dict[str, list[str]] = {}
    for block in blocks():
        if not block.runs:
            told.setdefault(block.page, []).extend(words[0] for words in shell(block))
    assert {page: list(dict.fromkeys(programs)) for page, programs in told.items()} == NEVER_RUN


@pytest.mark.parametrize("block", blocks("sh") + blocks("console"), ids=ids)
def test_commands_in_blocks_are_understood(block: Block) -> None:
    commands = list(shell(block))
    assert commands
    for words in commands:
        if (rest := holdfast(words)) is not None:
            understood(str(block), rest)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_in_sentences_are_understood(path: Path) -> None:
    for where, words in spans(path):
        understood(where, words, sentence=True)


def merged(base: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """A fragment laid over something whole."""
    both = dict(base)
    for key, value in part.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return both


def default_card() -> dict[str, Any]:
    """The card that comes with Holdfast, as a table."""
    return tomllib.loads((ROOT / "scoring" / "default.toml").read_text("utf-8"), parse_float=Decimal)


def configs(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A fragment within each of the configs that it may belong to: beside HubSpot and beside Salesforce."""
    crm = part.get("crm", {})
    shipped = tomllib.loads((ROOT / "config.example.toml").read_text("utf-8"))["sources"]
    sources = {
        name: {**shipped[name], **table} if set(table) == {"fields"} else table
        for name, table in part.get("sources", {}).items()
    }
    for kind, own in CRMS.items():
        if crm.get("type", kind) == kind:
            yield {**part, "sources": sources, "crm": {"type": kind, **own, **crm}}


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{toml(str(key))} = {toml(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case _:
            return str(value)


def loads(data: dict[str, Any], folder: Path) -> None:
    """A config loads, and its field maps say something about streams that there are."""
    text = "".join(f"{key} = {toml(value)}\n" for key, value in data.items())
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    env = dict.fromkeys(re.findall(r'"env" = "(\w+)"', text), "https://hooks.example/T0/B0/0123456789abcdef")
    env |= {"STRIPE_KEY": "rk_live_0123456789"}  # of keys the config knows the form
    config = load(path, env)
    for one in (config.crm, *config.sources):
        field_map_of(one, path.name, "crm" if one is config.crm else f"sources.{one.name}")


TABLES = [*blocks("toml"), *(block for block in blocks("text") if block.text.startswith("["))]
"""Parts of configs and cards; those set as text are left out by tests that lay a page's whole card together."""


@pytest.mark.parametrize("block", TABLES, ids=ids)
def test_settings_and_cards_load(block: Block, tmp_path: Path) -> None:
    """By their keys they belong to a config, to a scorecard, or to a field map; and unknown keys fail."""
    part = tomllib.loads(block.text, parse_float=Decimal)
    if block.text.startswith(("# config.toml\n[sources.plaindesk]", "# outside/")):
        return  # of a vendor that there is only in tests/pages/test_example_connector.py, which loads it
    if set(part) <= CONFIG:
        refused = []
        for data in configs(part):
            try:
                loads(data, tmp_path)
            except FieldMapError as error:
                refused.append(str(error))
            else:
                break
        else:
            pytest.fail("\n".join(refused))
    elif all(isinstance(table, dict) and "record" in table for table in part.values()):
        FieldMap.build("example", part)
    else:
        card = part if "name" in part else merged(default_card(), part)
        Scorecard.from_data(card, str(block))


def test_an_unknown_key_would_be_noticed(tmp_path: Path) -> None:
    for text in ("[run]\nevry = 1\n", '[sources.zendesk]\nsubdomain = "acme"\nmail = "x"\n', "[bands]\nred = 1\n"):
        path = "README.md"
        with pytest.raises(Exception, match=r"evry|mail|red"):
            test_settings_and_cards_load(Block(path, 1, "toml", (), text), tmp_path)


@pytest.mark.parametrize("block", blocks("sql"), ids=ids)
def test_statements_run_against_a_new_state_file(block: Block, tmp_path: Path) -> None:
    if block.page == "docs/features.md":
        return  # expressions, not statements: generated from the catalogue, and compared with it
    store = Store.open(tmp_path / "state")
    try:
        for statement in filter(str.strip, block.text.split(";")):
            assert store.db.conn.execute(statement).description
    finally:
        store.close()


@pytest.mark.parametrize("block", blocks("python"), ids=ids)
def test_code_compiles(block: Block) -> None:
    """Those with a prompt are run by tests/mapping/test_mapping_docs.py, with what they say compared."""
    if ">>>" not in block.text:
        entry = re.match(r"# \S+, in \w+\n", block.text)  # a line of a table
        ast.parse(f"{{\n{block.text}}}" if entry else block.text)


@pytest.mark.parametrize("block", blocks("yaml"), ids=ids)
def test_yaml_parses(block: Block) -> None:
    assert yaml.safe_load(block.text)
