"""What the sandbox takes to come up at full size, in time and memory, and how long the CRM's pages take then.

Full size is 10,000 accounts with 200,000 people. Up means that the world is made, the three vendors are mounted,
each has answered a first question, and the first day of usage has been handed out. Measured with each CRM, each time in
a process of its own; pages in this process, client included, by its CPU time.
"""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any

import requests

from benchmarks import peak_megabytes

ACCOUNTS = 10_000
PAGES = 30
HUBSPOT_LIST = "/crm/v3/objects/contacts?limit=100"
SALESFORCE_ROOT = "/services/data/v64.0"
SALESFORCE_LIST = (
    "SELECT Id, FirstName, LastName, Email, AccountId, OwnerId, Title, Other_Emails__c, Product_User_Id__c, IsDeleted, "
    "MasterRecordId, CreatedDate, SystemModstamp FROM Contact ORDER BY SystemModstamp, Id"
)


class Contacts:
    """Lists a CRM's contacts page by page.

    Args:
        session: Reaches the sandbox.
        crm: "hubspot" or "salesforce".
        url: Its base URL.
    """

    def __init__(self, session: requests.Session, crm: str, url: str) -> None:
        from sandbox.core import CREDENTIALS

        self.session, self.crm, self.url = session, crm, url
        known = CREDENTIALS[crm]
        if crm == "salesforce":
            form = {"grant_type": "client_credentials", "client_id": known["consumer_key"]}
            form["client_secret"] = known["consumer_secret"]
            token = session.post(f"{url}/services/oauth2/token", data=form).json()["access_token"]
        else:
            token = str(known["token"])
        self.headers = {"Authorization": f"Bearer {token}"}

    def first(self) -> requests.Response:
        """The first page."""
        if self.crm == "hubspot":
            return self.session.get(f"{self.url}{HUBSPOT_LIST}", headers=self.headers)
        params = {"q": SALESFORCE_LIST}
        return self.session.get(f"{self.url}{SALESFORCE_ROOT}/queryAll", params=params, headers=self.headers)

    def after(self, page: Any) -> requests.Response:
        """The page after one."""
        if self.crm == "salesforce":
            return self.session.get(f"{self.url}{page['nextRecordsUrl']}", headers=self.headers)
        after = page["paging"]["next"]["after"]
        return self.session.get(f"{self.url}{HUBSPOT_LIST}&after={after}", headers=self.headers)

    def milliseconds(self) -> float:
        """Of one page, in the middle of several."""
        page, took = self.first().json(), []
        for _ in range(PAGES):
            began = time.process_time()
            answer = self.after(page)
            took.append(1000 * (time.process_time() - began))
            page = answer.json()
        return median(took)


def come_up(accounts: int, crm: str) -> dict[str, float]:
    """Bring a sandbox up in this process; seconds, megabytes, and milliseconds of the CRM's pages."""
    from sandbox.core import CREDENTIALS, Sandbox
    from sandbox.mount import SandboxAdapter
    from sandbox.world import make_world

    start = time.monotonic()
    world = make_world(seed=1, accounts=accounts, now=datetime(2026, 11, 1, tzinfo=UTC))
    made = time.monotonic() - start
    sandbox = Sandbox(world, vendors=(crm, "zendesk", "mixpanel"))
    session = requests.Session()
    session.mount("http://", SandboxAdapter(sandbox))
    urls = sandbox.base_urls()
    contacts = Contacts(session, crm, urls[crm])
    desk = (f"{CREDENTIALS['zendesk']['email']}/token", str(CREDENTIALS["zendesk"]["token"]))
    analytics = (str(CREDENTIALS["mixpanel"]["username"]), str(CREDENTIALS["mixpanel"]["secret"]))
    day = {"project_id": "4242", "from_date": "2026-10-31", "to_date": "2026-10-31"}
    answers = (
        contacts.first(),
        session.get(f"{urls['zendesk']}/api/v2/incremental/tickets/cursor.json?start_time=0", auth=desk),
        session.get(f"{urls['mixpanel']}/api/2.0/export", params=day, auth=analytics),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len(answers[2].content.splitlines()) > accounts
    up, peak = time.monotonic() - start, peak_megabytes()
    return {"made": made, "up": up, "peak": peak, "page": contacts.milliseconds()}


def main() -> list[dict[str, Any]]:
    rows = []
    for crm, name, size in (("hubspot", "HubSpot", 100), ("salesforce", "Salesforce", 2_000)):
        command = [sys.executable, "-m", "benchmarks.bench_sandbox", str(ACCOUNTS), crm]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # ours
        result = json.loads(done.stdout)
        rows += [
            {"name": f"{name}: world made", "value": result["made"], "unit": "s"},
            {"name": f"{name}: up, with a day of usage handed out", "value": result["up"], "unit": "s (limit 60)"},
            {"name": f"{name}: peak memory", "value": result["peak"], "unit": "MB (limit 2,048)"},
            {"name": f"{name}: page of {size:,} contacts", "value": result["page"], "unit": "ms of CPU"},
        ]
    return rows


if __name__ == "__main__":
    print(json.dumps(come_up(int(sys.argv[1]), sys.argv[2])))
