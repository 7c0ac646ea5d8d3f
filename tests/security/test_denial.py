"""Data that is meant to be too much: files, names and pages have bounds, and beyond them is a sentence.

Bodies of a gigabyte, JSON of great depth and bodies without an end are in tests/connectors/test_http_hostile.py, pages
that go in circles in tests/conformance ("a repeated page ends in an error").
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cli import config
from sandbox.faults import Fault
from scoring.card import Scorecard
from scoring.errors import CardError
from tests.cli.conftest import Site
from tests.security.fuzz import volume
from tests.security.payloads import payloads

BOMBS = {
    "deep lists": f"x = {'[' * 100_000}{']' * 100_000}",
    "deep tables": f"[{'.'.join('a' * 100_000)}]\n",
    "deep inline": f"x = {'{a=' * 50_000}1{'}' * 50_000}",
    "lists on lines": "x = " + "[\n" * 5_000 + "]\n" * 5_000,
    "deeper than anybody writes": f"x = {'[' * 25}1{']' * 25}",
    "long number": f"x = {'9' * 100_000}",
    "long fraction": f"x = 0.{'9' * 100_000}",
    "large exponent": "x = 1e999999999",
    "small exponent": "x = 1e-999999999",
    "not a number": "x = nan",
    "half a character": 'x = "\\ud800"',
    "no time": "x = 2026-99-99T99:99:99",
    "nothing": "",
    "zeros": "\x00" * 1000,
    "mark": "\ufeff[crm]",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_config_beyond_measure_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(BOMBS[name], encoding="utf-8")
    with pytest.raises(config.InvalidConfigError) as caught:
        config.load(file, {})
    assert str(file) in str(caught.value)
    assert max(map(len, str(caught.value).splitlines())) < 600


@pytest.mark.parametrize("name", BOMBS)
def test_a_scorecard_beyond_measure_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(CardError) as caught:
        Scorecard.parse(BOMBS[name], "card.toml")
    assert "card.toml" in str(caught.value)


def test_a_huge_config_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("#" * (config.MAX_FILE + 1))
    with pytest.raises(config.InvalidConfigError, match="larger than 1024 KiB"):
        config.load(file, {})


def test_hostile_text_in_a_config_never_ends_in_anything_but_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    good = '[crm]\ntype = "hubspot"\ntoken = { env = "T" }\n[run]\nevery = "1h"\n[guard]\nband_share = 0.05\n'
    for number, text in enumerate(payloads(volume(1000), 11)):
        at = (number * 7) % len(good)
        file.write_bytes((good[:at] + text + good[at + number % 9 :]).encode("utf-8", "surrogatepass"))
        with suppress(config.InvalidConfigError):  # and nothing else
            config.load(file, {"T": "token"})


@pytest.mark.parametrize("size", [10_000, 60_000])
def test_an_endless_name_is_cut_or_left_out_and_the_others_are_kept(site: Site, size: int) -> None:
    first, second = list(site.records("companies", "name"))[:2]
    site.sandbox.mutate("hubspot", "edit", object="companies", id=first, properties={"name": "Ü" * size})
    site.sandbox.clock.sleep(3600)
    said = site.run("sync", "--dry-run", "--full")
    assert said.code in {0, 4}, said.text
    assert max(map(len, said.text.splitlines())) < 1000
    assert site.run("explain", second).code == 0
    assert (site.state / "state.db").stat().st_size < 20 << 20


def test_a_value_too_many_is_no_reason_to_fail(site: Site, tmp_path: Path) -> None:
    many: dict[str, Any] = {f"x{n}": n for n in range(5000)}
    site.sandbox.mutate("hubspot", "touch", object="companies", count=2)
    site.sandbox.faults.add(Fault("drift", "hubspot", path="companies/search", set={"properties.odd": many}))
    site.sandbox.clock.sleep(3600)
    assert site.run("sync", "--dry-run").code in {0, 4}
