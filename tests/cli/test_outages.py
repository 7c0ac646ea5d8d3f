"""Sources that lie, lived through by `holdfast sync` itself: what it writes, says and exits with.

Short: three outages beside HubSpot. `make outages` walks through all of them, beside both CRMs.
"""

from collections.abc import Iterator

import pytest

from benchmarks.bench_outages import Life, Look, Scenario, life, outcome

LOOKS = (30, 192)


@pytest.fixture(scope="module")
def site() -> Iterator[Life]:
    """A filled CRM."""
    with life("hubspot", accounts=12) as found:
        yield found


@pytest.fixture(scope="module")
def twin(site: Life) -> list[Look]:
    """The same without any outage."""
    return site.live((), LOOKS)


@pytest.mark.parametrize(
    ("who", "kind", "codes", "says"),
    [
        (("mixpanel",), "empty", (5, 5, 0, 0), "not believed, what we hold stays"),
        (("hubspot", "zendesk", "mixpanel"), "status", (1, 1, 0, 0), "hubspot owners, companies, contacts"),
        (("zendesk", "mixpanel"), "stale", (1, 1, 0, 0), "mixpanel events: "),
    ],
    ids=["mixpanel empty", "everything 503", "everything but the CRM stale"],
)
def test_no_band_and_no_task_comes_of_an_outage(
    who: tuple[str, ...], kind: str, codes: tuple[int, ...], says: str, site: Life, twin: list[Look]
) -> None:
    scenario = Scenario(who, kind)
    looks = site.live(site.faults(scenario), LOOKS)
    found = outcome(site, scenario, looks, twin)
    assert (found.moved, found.tasks) == (0, 0)
    assert found.codes == codes
    assert found.back
    assert says in found.silent
    assert "Traceback" not in found.silent
