"""With every source on, links are true, and nearly all that could be made are made."""

from benchmarks.bench_identity import CRM, figures, pulled
from cli.trial import vendors
from sandbox.world import make_world
from tests.instants import START


def test_every_source_is_matched_rightly_and_nearly_all() -> None:
    world = make_world(seed=3, accounts=60, people_per_account=8, months=4, now=START)
    with pulled(world) as (store, truth):
        every = figures(store, truth, world)
    assert {one.source for one in every} >= {*vendors(CRM, everything=True), "telephone", "bookings"} - {CRM}
    assert sum(one.links for one in every) > 1000
    assert [one for one in every if one.precision < 0.999] == []
    assert [one for one in every if one.recall < 0.97] == []
