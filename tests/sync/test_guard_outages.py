"""Outages of real connectors beside the sandbox: after an hour, 30 and 73 hours and eight days no band has moved.

Every source, every kind of outage that says 200, and errors for days. When the source is back, every score is what it
would have been without the outage. HOLDFAST_OUTAGES=all runs every kind here; `python -m benchmarks guard` walks
through all of them with both CRMs, `make outages` through the command line.
"""

import os

import pytest

from sandbox.faults import Fault
from sync.policy import Policy
from tests.sync.outage_site import HOURS, Kept, Look, Site, fault, scores


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A site that has run for an hour."""
    return Kept(Site(tmp_path_factory.mktemp("outages") / "state", accounts=24))


@pytest.fixture
def site(kept: Kept) -> Site:
    """The site as it was after that hour."""
    return kept.again()


def live_through(site: Site, *faults: Fault) -> list[Look]:
    """Runs while the faults are in force; gives what each came to."""
    site.sandbox.faults.add(*faults)
    return [site.run_at(hours) for hours in HOURS]


LONG = os.environ.get("HOLDFAST_OUTAGES") == "all"
ALL = ("hubspot", "zendesk", "mixpanel")
USAGE = {"login", "active_users", "usage"}


@pytest.mark.parametrize("kind", ["empty", "stale", "status"] if LONG else ["empty", "status"])
def test_when_every_source_fails_at_once_nothing_moves(kind: str, site: Site, kept: Kept) -> None:
    for look in live_through(site, *(fault(kind, vendor, site.sandbox.clock.now()) for vendor in ALL)):
        assert look.bands == kept.before.bands
        assert look.tasks == kept.before.tasks
    assert any(breach.alarm for breach in look.report.breaches)
    site.sandbox.faults.clear()
    site.run_at(HOURS[-1] + 1)
    assert scores(site.run_at(HOURS[-1] + 25)) == kept.scores


@pytest.mark.parametrize(
    ("vendor", "kind"),
    [("mixpanel", "first_page"), ("hubspot", "empty")]
    + ([("mixpanel", "zero_counts"), ("zendesk", "empty"), ("mixpanel", "stale")] if LONG else []),
)
def test_one_source_comes_back_by_itself(vendor: str, kind: str, site: Site, kept: Kept) -> None:
    """The others live on, so that bands may move meanwhile, but not because of this one."""
    site.sandbox.faults.add(fault(kind, vendor, site.sandbox.clock.now()))
    for hours in (30, HOURS[-1]):
        look = site.run_at(hours)
        if kind == "first_page":
            assert look.points({"active_users", "usage"}) == kept.before.points({"active_users", "usage"})
            assert [breach.source for breach in look.report.breaches if breach.alarm] == ["mixpanel"]
    site.sandbox.faults.clear()
    site.run_at(HOURS[-1] + 1)
    assert scores(site.run_at(HOURS[-1] + 25)) == kept.scores


def test_it_says_which_source_is_silent_and_coverage_falls(site: Site, kept: Kept) -> None:
    looks = live_through(site, fault("empty", "mixpanel", site.sandbox.clock.now()))
    told = [[breach for breach in look.report.breaches if breach.alarm] for look in looks]
    assert [len(alarms) for alarms in told] == [0, 1, 1, 1]
    assert "not believed, what we hold stays" in told[-1][0].why
    coverage = [sum(row.coverage for row in look.rows if row.level == "account") for look in looks]
    assert coverage[0] > coverage[1] > coverage[2] == coverage[3]
    assert [row.score for row in looks[-1].rows if row.level == "contact"].count(None) == [
        row.score for row in kept.before.rows if row.level == "contact"
    ].count(None)


def test_a_trusted_source_may_fall_silent(site: Site, kept: Kept) -> None:
    site.policy = Policy(trusted=("mixpanel",))
    site.sandbox.faults.add(fault("empty", "mixpanel", site.sandbox.clock.now()))
    look = site.run_at(HOURS[-1])
    assert not [breach for breach in look.report.breaches if breach.source == "mixpanel"]
    assert look.points(USAGE) != kept.before.points(USAGE)


def test_a_list_that_is_empty_makes_nothing_vanish(site: Site) -> None:
    before = site.live("zendesk", "organizations")
    site.sandbox.faults.add(fault("empty", "zendesk", site.sandbox.clock.now()))
    site.run_at(30)
    assert site.live("zendesk", "organizations") == before
    assert before[0] > 20


def test_hours_without_trouble_are_quiet(site: Site) -> None:
    for hours in (2, 12, 48, 96):  # a night, a week-end
        look = site.run_at(hours)
        assert [breach for breach in look.report.breaches if breach.alarm] == []
        assert not look.report.failed
