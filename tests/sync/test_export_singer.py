"""Singer messages as a target takes them: by the specification, every record by the schema that came before it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli.export import choose
from sync.catalogue import tables
from sync.export import Wanted, export
from sync.export_singer import FILE, schema
from sync.store import Store
from tests.sync.test_export import HOSTILE, filled  # noqa: F401 - a fixture

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Target:
    """A small target: refuses what no target could load, and holds the rest by its key."""

    def __init__(self) -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, list[str]] = {}
        self.rows: dict[str, dict[tuple[Any, ...], tuple[int | None, dict[str, Any]]]] = {}
        self.state: Any = None

    def load(self, lines: Iterable[str]) -> "Target":
        for line in lines:
            message = json.loads(line)
            match message["type"]:
                case "SCHEMA":
                    self._schema(message)
                case "RECORD":
                    self._record(message)
                case "ACTIVATE_VERSION":
                    self._activate(message)
                case other:
                    assert other == "STATE"
                    self.state = message["value"]
        return self

    def _schema(self, message: dict[str, Any]) -> None:
        jsonschema.Draft7Validator.check_schema(message["schema"])
        name = message["stream"]
        self.schemas[name], self.keys[name] = message["schema"], message["key_properties"]
        assert set(message["key_properties"]) <= set(message["schema"]["properties"])
        assert set(message["bookmark_properties"]) <= set(message["schema"]["properties"])
        self.rows.setdefault(name, {})

    def _record(self, message: dict[str, Any]) -> None:
        name, row = message["stream"], message["record"]
        checker = jsonschema.Draft7Validator.FORMAT_CHECKER
        jsonschema.validate(row, self.schemas[name], jsonschema.Draft7Validator, format_checker=checker)
        key = tuple(row[part] for part in self.keys[name])
        self.rows[name][key] = (message.get("version"), row)

    def _activate(self, message: dict[str, Any]) -> None:
        rows = self.rows[message["stream"]]
        self.rows[message["stream"]] = {key: one for key, one in rows.items() if one[0] == message["version"]}


def sent(store: Store, folder: Path, **more: Any) -> tuple[Target, list[str]]:
    wanted = Wanted([*tables().values()], people=True, **more)
    done = export(store, wanted, folder, "singer", NOW)
    assert {one.path for one in done.files} == {folder / FILE}
    lines = (folder / FILE).read_text("utf-8").splitlines()
    target = Target().load(lines)
    assert {one.table: one.rows for one in done.files} == {name: len(rows) for name, rows in target.rows.items()}
    return target, lines


def test_a_target_can_load_every_table(filled: Store, tmp_path: Path) -> None:  # noqa: F811
    target, lines = sent(filled, tmp_path / "out")
    assert list(target.rows) == list(tables())
    (found,) = target.rows["v_account"].values()
    assert found[1]["account_name"] == HOSTILE, "text is handed on as it is"
    assert json.loads(lines[-1])["type"] == "STATE"
    assert sum(len(rows) for rows in target.rows.values()) > 10
    for name, table in tables().items():
        versions = {version for version, _ in target.rows[name].values()}
        assert versions <= ({None} if table.stamps else {int(NOW.timestamp() * 1000)}), name


def test_a_table_without_stamps_replaces_its_earlier_rows(filled: Store, tmp_path: Path) -> None:  # noqa: F811
    target, lines = sent(filled, tmp_path / "out")
    name = next(name for name, table in tables().items() if not table.stamps and target.rows[name])
    target.rows[name]["gone",] = (1, {})
    target.load(lines)
    assert ("gone",) not in target.rows[name]


def test_the_state_is_the_next_since(filled: Store, tmp_path: Path) -> None:  # noqa: F811
    target, _ = sent(filled, tmp_path / "out")
    done = export(filled, Wanted([*tables().values()], since="2999-01-01T00:00:00Z"), tmp_path / "out", "singer", NOW)
    assert target.state == {"since": done.next_since}
    assert {one.rows for one in done.files if tables()[one.table].stamps} == {0}
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["next_since"] == done.next_since


@pytest.mark.parametrize("people", [True, False])
def test_people_stay_out_of_schemas_too(people: bool) -> None:  # noqa: FBT001
    shown = {name for one in choose((), people=people) for name in schema(one, people=people)["properties"]}
    assert ("contact_email" in shown or "email" in shown) is people
