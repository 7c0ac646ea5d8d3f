"""What the API tells about itself: versions, resources, limits, counts of records."""

from collections.abc import Sequence
from typing import Any

from sandbox.salesforce_access import Access, Calls
from sandbox.salesforce_base import ORGANIZATION
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_options import Options
from sandbox.salesforce_org import Org

_SEASONS = ("Spring", "Summer", "Winter")

_RESOURCES = ("tooling", "query", "queryAll", "sobjects", "limits", "composite", "jobs")

_ALLOWED = {
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryJobs": 10_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DataStorageMB": 1024,
    "FileStorageMB": 1024,
}


class Spent:
    """What was used of the day's limits other than calls; bulk jobs note themselves here.

    Args:
        org: Whose.
    """

    def __init__(self, org: Org) -> None:
        self._org = org
        self._used = {name: Calls() for name in _ALLOWED}

    def add(self, name: str, count: int = 1) -> None:
        """Count something against a limit ("DailyBulkV2QueryJobs", "DailyBulkApiBatches")."""
        self._used[name].add(self._org.now, count)

    def left(self, name: str) -> int:
        """What the last 24 hours have left of it."""
        return max(0, _ALLOWED[name] - self._used[name].used(self._org.now))


def versions(options: Options) -> list[dict[str, str]]:
    """Every version that answers, oldest first."""
    found = []
    for number in range(options.first_version, options.last_version + 1):
        # Three releases a year: 66 is Spring '26, 67 Summer '26, 68 Winter '27.
        year, season = divmod(number + 12, 3)
        label = f"{_SEASONS[season]} '{(year if season < 2 else year + 1) % 100:02d}"
        found.append({"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"})
    return found


def resources(_org: Org, call: Call) -> Reply:
    """What is served below a version."""
    identity = f"{call.root}/id/{ORGANIZATION}/{call.user}"
    return 200, {**{name: call.path(name) for name in _RESOURCES}, "identity": identity}, {}


def limits(org: Org, _call: Call) -> Reply:
    """The org's limits and what is left of them."""
    spent = org.part(Spent)
    left = max(0, org.options.api_limit - org.part(Access).calls.used(org.now))
    body: dict[str, Any] = {"DailyApiRequests": {"Max": org.options.api_limit, "Remaining": left}}
    for name, allowed in _ALLOWED.items():
        body[name] = {"Max": allowed, "Remaining": spent.left(name)}
    return 200, body, {}


def record_counts(org: Org, call: Call) -> Reply:
    """How many records there are of the kinds asked for, whoever may see them; unknown kinds are left out.

    Salesforce counts now and then, so that the numbers are only about right (`Options.record_count_factor`).
    """
    asked = [name.strip() for name in call.query.get("sObjects", "").split(",") if name.strip()]
    kinds = [org.object(name) for name in asked] if asked else list(org.objects.values())
    rows = [
        {"count": round(len(org.tables[k.name].places(org.now)) * org.options.record_count_factor), "name": k.name}
        for k in kinds
        if k is not None and org.can(call.user, k.name, "Read")
    ]
    return 200, {"sObjects": rows}, {}


ROUTES: Sequence[Route] = (
    Route("GET", "", resources),
    Route("GET", "limits", limits),
    Route("GET", "limits/recordCount", record_counts),
)
