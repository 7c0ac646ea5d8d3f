"""A day of the soak, and whether its checks see harm."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from tests.soak.checks import Checks
from tests.soak.life import FILL, growth, live
from tests.soak.people import People
from tests.soak.site import HOUR, Site

KEEP = timedelta(days=10)


def test_a_day_of_everything_going_wrong() -> None:
    outcome = live("hubspot", 3, 24, tell=lambda _: None)
    assert outcome.runs == 24
    assert outcome.wrong == []
    assert outcome.seen["lost database"] == 1
    assert sum(outcome.seen.values()) > 10


@contextmanager
def filled(home: Path, crm: str) -> Iterator[tuple[Site, Checks, People]]:
    """A site after its first fill, with nothing wrong."""
    site = Site(home, crm, 3, days=2)
    people = People(site, Random(1))
    checks = Checks(site, people)
    with site.at_work(KEEP):
        for words in (("setup",), FILL):
            assert site.command(*words).code == 0
        site.box.clock.advance(HOUR)
        look(checks)
        assert list(checks.wrong) == []
        yield site, checks, people


def look(checks: Checks) -> None:
    checks.fields_and_tasks()
    checks.nothing_open(checks.site.box.clock.now())
    checks.ledger_whole()
    checks.folders()


@pytest.mark.parametrize("crm", ["hubspot", "salesforce"])
def test_the_checks_see_harm(tmp_path: Path, crm: str) -> None:
    with filled(tmp_path, crm) as (site, checks, people):
        first, second = sorted(site.inside.ours("account"))[:2]
        score = people.name("account.health_score")
        site.inside.edit("account", first, score, 98.0)
        people.edited["account", second, score] = 97.0
        harm_tasks(site)
        harm_ledger(site)
        (site.state / "plans").mkdir(exist_ok=True)
        for number in range(200):
            (site.state / "plans" / f"{number}.plan").touch()
        look(checks)
        assert len(checks.drift) == 1
        assert len(checks.overwritten) == 1
        assert len(checks.doubled) == 1
        assert len(checks.open) == 1
        assert checks.damage
        assert len(checks.grown) == 1


def harm_tasks(site: Site) -> None:
    """One task stands there twice."""
    one = next(iter(site.inside.task_keys()))
    if site.crm == "hubspot":
        row = site.inside._table("tasks")[one]
        site.box.mutate("hubspot", "create", object="tasks", properties={"hs_task_body": row["hs_task_body"]})
    else:
        row = site.inside._table("Task")[one]
        site.box.mutate("salesforce", "create", object="Task", values={"Description": row["Description"]})


def harm_ledger(site: Site) -> None:
    """An operation never heard of again."""
    conn = sqlite3.connect(site.state / "state.db", isolation_level=None)
    conn.execute("DROP TRIGGER op_transition")
    conn.execute("UPDATE op SET state = 'in_doubt', sent_at = 0 WHERE op_id = 1")
    conn.close()


def test_growth_compares_thirds() -> None:
    assert growth([1.0, 1.0, 2.0, 2.0, 3.0, 3.0]) == 3.0
    assert growth([5.0]) == 1.0
