"""A small Salesforce org, asked by plain requests through the in-process adapter, or by the vendor's usual client."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET, Sandbox
from sandbox.model import Company, Person, World
from sandbox.mount import SandboxAdapter
from sandbox.salesforce import SalesforceVendor
from sandbox.salesforce_base import INTEGRATION_USER
from sandbox.salesforce_ids import account_id, contact_id
from sandbox.salesforce_org import Org
from sandbox.serve import serve
from tests.contracts import contract

VERSION = "64.0"
CREDENTIALS = {"client_id": SALESFORCE_KEY, "client_secret": SALESFORCE_SECRET}
INSTANCE = "sandbox.my.salesforce.com"


class Client:
    """Plain requests against one org, with a session made in no time unless `login` is asked for one."""

    def __init__(self, sandbox: Sandbox, user: str = INTEGRATION_USER) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.mount("http://", SandboxAdapter(sandbox))
        self.base = sandbox.base_urls()["salesforce"]
        self.user(user)

    def user(self, user: str) -> None:
        """Go on as somebody else, from now on."""
        self.vendor.tick(self.sandbox.clock.now())
        self.session.headers["Authorization"] = f"Bearer {self.vendor.access.mint(user)}"

    @property
    def vendor(self) -> SalesforceVendor:
        vendor = self.sandbox.vendors["salesforce"]
        assert isinstance(vendor, SalesforceVendor)
        return vendor

    @property
    def org(self) -> Org:
        return self.vendor.org

    @property
    def world(self) -> World:
        return self.sandbox.world

    def send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """A path from the host, or one below the version."""
        full = path if path.startswith(("/services", "/id")) else f"/services/data/v{VERSION}/{path}"
        return self.session.request(method, self.base + full, **kwargs)

    def ask(self, method: str, path: str, status: int = 200, **kwargs: Any) -> Any:
        """The JSON of an answer that must have this status."""
        answer = self.send(method, path, **kwargs)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        return self.ask("GET", path, status, params=params)

    def post(self, path: str, body: Any, status: int = 200, **kwargs: Any) -> Any:
        return self.ask("POST", path, status, json=body, **kwargs)

    def patch(self, path: str, body: Any, status: int = 200, **kwargs: Any) -> Any:
        return self.ask("PATCH", path, status, json=body, **kwargs)

    def token(self, status: int = 200, **form: Any) -> Any:
        """The token endpoint's answer; client credentials unless another grant is named."""
        data = {"grant_type": "client_credentials", **CREDENTIALS, **form}
        return self.ask("POST", "/services/oauth2/token", status, data=data)

    def query(self, soql: str, *, everything: bool = False) -> list[dict[str, Any]]:
        """Every row of a query, without `attributes`."""
        page = self.get("queryAll" if everything else "query", q=soql)
        rows: list[dict[str, Any]] = page["records"]
        while not page["done"]:
            page = self.get(page["nextRecordsUrl"])
            rows += page["records"]
        return [{k: v for k, v in row.items() if k != "attributes"} for row in rows]

    def describe(self, kind: str) -> dict[str, dict[str, Any]]:
        """Field name -> definition."""
        return {field["name"]: field for field in self.get(f"sobjects/{kind}/describe")["fields"]}

    def mutate(self, action: str, **args: Any) -> Any:
        return self.sandbox.mutate("salesforce", action, **args)

    def later(self, seconds: float) -> None:
        self.sandbox.clock.advance(timedelta(seconds=seconds))

    def value(self, record_id: str, name: str) -> Any:
        """One value straight from the store."""
        self.vendor.tick(self.sandbox.clock.now())
        found = self.org.find(record_id)
        assert found is not None, f"no {record_id}"
        return found[0].value(found[1], name, self.org.now)

    def there(self, record_id: str) -> bool:
        """Whether a record is there and not deleted."""
        self.vendor.tick(self.sandbox.clock.now())
        found = self.org.find(record_id)
        return found is not None and not found[0].deleted(found[1])

    def account(self, n: int = 0) -> tuple[str, Company]:
        companies = [c for c in self.world.companies if c.created_at <= self.world.now]
        return account_id(companies[n].id), companies[n]

    def contact(self, n: int = 0) -> tuple[str, Person]:
        people = [p for p in self.world.people if p.in_crm and p.email and p.created_at <= self.world.now]
        return contact_id(people[n].id), people[n]


class Library:
    """The usual client, as it is: whatever host it calls over https is the sandbox.

    Args:
        sandbox: The sandbox.
        adapter: What carries its requests there.
    """

    def __init__(self, sandbox: Sandbox, adapter: HTTPAdapter) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("https://", adapter)

    def open(self, **arguments: Any) -> Salesforce:
        """The client, logged in; by client credentials unless told otherwise."""
        given = {"consumer_key": SALESFORCE_KEY, "consumer_secret": SALESFORCE_SECRET, "domain": "sandbox.my"}
        return Salesforce(session=self.session, version=VERSION, **(arguments or given))


class Mounted(SandboxAdapter):
    """In this process. Puts the vendor's prefix before every path, as the client knows none."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        request.url = urlunsplit(url._replace(path=f"/salesforce{url.path}"))
        return super().send(request, *args, **kwargs)


class Served(HTTPAdapter):
    """Over a socket: the vendor's base URL takes the place of any host."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        request.url = f"{self.base}{urlunsplit(url._replace(scheme='', netloc=''))}"
        return super().send(request, *args, **kwargs)


@pytest.fixture
def make_client(small_world: World) -> Callable[..., Client]:
    def make(world: World = small_world, user: str = INTEGRATION_USER, **options: Any) -> Client:
        return Client(Sandbox(world, vendors=("salesforce",), options={"salesforce": options}), user)

    return make


@pytest.fixture
def sf(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture(params=["mounted", "served"])
def library(sf: Client, request: pytest.FixtureRequest) -> Iterator[Library]:
    """The usual client in the same org as `sf`, in process and over a socket."""
    sf.mutate("options", instance_url=f"https://{INSTANCE}")
    if request.param == "mounted":
        yield Library(sf.sandbox, Mounted(sf.sandbox))
        return
    with serve(sf.sandbox) as running:
        library = Library(sf.sandbox, Served(running.base_urls["salesforce"]))
        yield library
        library.session.close()


@pytest.fixture(scope="session")
def key_pair() -> tuple[str, str]:
    """Private and public key, PEM."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.fixture(scope="session")
def contracts() -> Callable[[str], Any]:
    """Loads a file of the vendor's published shapes; skips where they are not at hand."""
    return partial(contract, "salesforce")
