"""Three days of the soak, and whether its checks see harm."""

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from tests.soak.checks import Checks
from tests.soak.life import FILL, growth
from tests.soak.people import People
from tests.soak.site import HOUR, Site

ROOT = Path(__file__).parents[2]
KEEP = timedelta(days=10)


def test_three_days_of_everything_going_wrong() -> None:
    # In a process of its own: every request of that process goes to the sandbox.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--runs", "18", "--step", "4", "--crm", "hubspot", "--seed", "3"],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 lost database" in done.stdout
    assert "1 old copy" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("runs 18 drift 0 doubled 0 open 0 ")


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
        assert checks.wrong == []
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
        found = Counter(text.partition(":")[0] for text in checks.wrong)
        assert found.pop("damage") >= 1
        assert found == {"drift": 1, "overwritten": 1, "doubled": 1, "open": 1, "grown": 1}


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
