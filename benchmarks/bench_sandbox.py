"""How long the sandbox takes to come up at full size, and how much memory: 10,000 accounts with 200,000 people.

Up means that the world is made, the three vendors are mounted, each has answered a first question, and the first day of
usage has been handed out. Measured in a process of its own.
"""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import requests

from benchmarks import peak_megabytes

ACCOUNTS = 10_000


def come_up(accounts: int) -> dict[str, float]:
    """Bring a sandbox up in this process; seconds and megabytes."""
    from sandbox.core import CREDENTIALS, Sandbox
    from sandbox.mount import SandboxAdapter
    from sandbox.world import make_world

    start = time.monotonic()
    world = make_world(seed=1, accounts=accounts, now=datetime(2026, 11, 1, tzinfo=UTC))
    made = time.monotonic() - start
    sandbox = Sandbox(world)
    session = requests.Session()
    session.mount("http://", SandboxAdapter(sandbox))
    urls = sandbox.base_urls()
    bearer = {"Authorization": f"Bearer {CREDENTIALS['hubspot']['token']}"}
    desk = (f"{CREDENTIALS['zendesk']['email']}/token", str(CREDENTIALS["zendesk"]["token"]))
    analytics = (str(CREDENTIALS["mixpanel"]["username"]), str(CREDENTIALS["mixpanel"]["secret"]))
    day = {"project_id": "4242", "from_date": "2026-10-31", "to_date": "2026-10-31"}
    answers = (
        session.get(f"{urls['hubspot']}/crm/v3/objects/contacts?limit=100", headers=bearer),
        session.get(f"{urls['zendesk']}/api/v2/incremental/tickets/cursor.json?start_time=0", auth=desk),
        session.get(f"{urls['mixpanel']}/api/2.0/export", params=day, auth=analytics),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len(answers[2].content.splitlines()) > accounts
    peak = peak_megabytes()
    return {"made": made, "up": time.monotonic() - start, "peak": peak}


def main() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.bench_sandbox", str(ACCOUNTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # ours
    result = json.loads(done.stdout)
    return [
        {"name": "world made", "value": result["made"], "unit": "s"},
        {"name": "up, with a day of usage handed out", "value": result["up"], "unit": "s (limit 60)"},
        {"name": "peak memory", "value": result["peak"], "unit": "MB (limit 2,048)"},
    ]


if __name__ == "__main__":
    print(json.dumps(come_up(int(sys.argv[1]))))
