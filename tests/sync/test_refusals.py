"""What is refused and says why: overrides with nowhere to go, lists of who left, parts that were not read."""

import csv
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from connectors.base import FieldDiff, FieldSpec
from scoring.engine import connect
from scoring.errors import InputsError
from scoring.inputs import TABLES, Engine, Inputs, Part
from scoring.replay import HELD, Replay
from sync.churn import ChurnFileError, from_csv
from sync.overriding import Asked, override_plan
from sync.owned import OwnedFieldError
from sync.people import BAND, REASON, UNTIL, people_fields
from sync.plan import Plan
from sync.writing import MissingFieldsError
from tests.scoring.rows import fixed_card
from tests.sync.memory_crm import MemoryCrm
from tests.sync.states import NOW

ASKED = Asked("1", "Alpha", {BAND: "green", UNTIL: NOW.date(), REASON: "signed (Dana)"})
FIELDS = people_fields({})


@dataclass
class WithoutFields(MemoryCrm):
    """A CRM in which nobody has run setup."""

    def setup(self, fields: Sequence[FieldSpec], *, dry_run: bool, further: bool = True) -> list[FieldDiff]:
        assert dry_run, "a plan makes no fields"
        return [FieldDiff(spec, "create") for spec in fields]


def plan(crm: MemoryCrm, *left_out: str) -> Plan:
    fields = {logical: spec for logical, spec in FIELDS.items() if logical not in left_out}
    return override_plan(crm, fields, ASKED, NOW, "memory", "0")


# -- overrides --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("logical", [BAND, UNTIL, REASON])
def test_an_override_needs_every_one_of_its_fields_in_the_config(logical: str) -> None:
    crm = MemoryCrm(records={("account", "1"): {}})
    with pytest.raises(OwnedFieldError) as refused:
        plan(crm, logical)
    assert str(refused.value) == f"writeback.fields leaves {logical} out, so there is nothing to write it into"
    assert not crm.calls


def test_an_override_needs_its_fields_in_the_crm() -> None:
    crm = WithoutFields(records={("account", "1"): {}})
    with pytest.raises(MissingFieldsError) as refused:
        plan(crm)
    assert str(refused.value) == (
        "3 fields are missing, hidden or different in the CRM "
        "(holdfast_override_band, holdfast_override_until, holdfast_override_reason): run `holdfast setup`."
    )
    assert not crm.calls


def test_an_account_that_left_the_crm_is_not_overridden() -> None:
    crm = MemoryCrm(records={("account", "2"): {}})
    with pytest.raises(LookupError) as refused:
        plan(crm)
    assert refused.value.args == ("Alpha (1) is not in the CRM any more",)
    assert crm.asked == [("1",)]
    crm.records["account", "1"] = {}
    assert [record.record_id for record in plan(crm).records] == ["1"]


# -- who left ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"4711,2026-03-31\nM\xfcller,2026-03-31\n", "is not UTF-8: byte 17"),
        (b"4711,2026-03-31\n" + b"9" * 200_000 + b",2026-03-31\n", "is no CSV: field larger than field limit (131072)"),
    ],
)
def test_what_is_no_table_of_who_left_is_refused_by_name(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "left.csv"
    path.write_bytes(content)
    limit = csv.field_size_limit(131_072)  # one for the whole process, which reading Salesforce's tables raises
    try:
        with pytest.raises(ChurnFileError) as refused:
            from_csv(path)
    finally:
        csv.field_size_limit(limit)
    assert str(refused.value) == f"{path}: {why}"


def test_a_table_of_who_left_that_is_not_there_or_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.csv", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ChurnFileError) as refused:
            from_csv(path)
        assert str(refused.value) == f"{path}: cannot be read: {why}"


# -- scoring again ----------------------------------------------------------------------------------------------------


def test_scoring_again_names_the_part_that_was_not_read_and_can_go_on(tmp_path: Path) -> None:
    types = TABLES["account"].types()
    columns = ", ".join(types)
    inputs = Inputs(
        tmp_path / "not-asked.sqlite",
        {},
        (),
        NOW,
        {"part_account": Part(f"SELECT {columns} FROM accounts_as_pulled", types)},
        {"account": f"SELECT {columns} FROM part_account"},
    )
    with closing(connect(Engine())) as con:
        again = Replay(con, [fixed_card()], ["account"])
        con.execute(f"CREATE SCHEMA {HELD}")
        for _ in range(2):
            with pytest.raises(
                InputsError, match=r"^part part_account: .*accounts_as_pulled does not exist"
            ) as refused:
                again.score(inputs)
            assert "\n" not in str(refused.value)
            assert isinstance(refused.value.__cause__, duckdb.Error)
        assert con.execute("SELECT current_schema()").fetchall() == [("main",)]
        declared = ", ".join(f"{column} {kind}" for column, kind in types.items())
        con.execute(f"CREATE TABLE {HELD}.accounts_as_pulled ({declared})")
        assert again.score(inputs) == [[]]
