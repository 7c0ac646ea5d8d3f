"""The table of what holds for whom is complete, has no stale lines and is the page that people read."""

import pytest

from conformance import words
from connectors.registry import VENDORS
from tests.conformance import table
from tests.conformance.rigs.base import Gap, NotApplicable, Rig
from tests.conformance.rigs.known import CRMS, SOURCES

RIGS = [*SOURCES.values(), *CRMS.values()]


def test_every_registered_connector_has_its_rigs() -> None:
    assert {rig.vendor for rig in SOURCES.values()} == set(VENDORS)
    assert {rig.vendor for rig in CRMS.values()} == {name for name, vendor in VENDORS.items() if vendor.is_crm}


def test_a_rig_knows_every_stream(rig: Rig) -> None:
    assert rig.streams == tuple(stream.name for stream in rig.source.streams)
    assert set(rig.streams) - {"events"} <= set(rig.map.streams)


def test_no_line_of_a_table_is_stale(request: pytest.FixtureRequest) -> None:
    """Each stands over a test that was collected; of a run of some files only their lines can be told."""
    collected = {item.originalname for item in request.session.items if isinstance(item, pytest.Function)}
    used = request.config.stash[table.USED]
    for suite in table.SUITES:
        for vendor, made in table.rigs(suite).items():
            names = {case.name for case in table.cases() if case.suite == suite}
            for key in made.exceptions:
                name = key.partition("[")[0]
                assert name in names, f"{vendor}: there is no case {name}"
                assert f"test_{name}" not in collected or (suite, vendor, key) in used, f"{vendor}: {key} is stale"


def test_names_of_cases_are_unique() -> None:
    names = [(case.suite, case.name) for case in table.cases()]
    assert len(names) == len(set(names)) > 60
    assert {suite for suite, _ in names} == set(table.SUITES)


def test_marks_are_strict_and_name_their_reason() -> None:
    skip = words.mark(NotApplicable("no such thing"))
    assert (skip.name, skip.kwargs) == ("skip", {"reason": "not applicable: no such thing"})
    gap = words.mark(Gap("not yet"))
    assert (gap.name, gap.kwargs) == ("xfail", {"strict": True, "reason": "gap: not yet"})
    assert words.keys("case", "deals-x", "deals") == ["case[deals-x]", "case[deals]", "case"]
    assert words.keys("case", "", "") == ["case"]


def test_the_page_says_what_the_tables_say() -> None:
    made = table.page()
    assert table.PAGE.read_text(encoding="utf-8") == made, "run `make docs`"
    assert [held.reason for rig in RIGS for held in rig.exceptions.values() if held.reason not in made] == []
