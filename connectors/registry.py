"""The vendors we speak to, one line each. Modules are imported when a vendor is used, not before."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's connector.

    Attributes:
        title: The vendor's name as people write it.
        module: Where `Settings` and `connect` are.
        is_crm: Whether it can be written to.
    """

    title: str
    module: str
    is_crm: bool = False

    def load(self) -> ModuleType:
        """Import the connector; it has `Settings` (a pydantic model) and `connect(name, settings, *, clock, ...)`."""
        return import_module(self.module)


VENDORS: dict[str, Vendor] = {
    "hubspot": Vendor("HubSpot", "connectors.hubspot", is_crm=True),
    "mixpanel": Vendor("Mixpanel", "connectors.mixpanel"),
    "zendesk": Vendor("Zendesk", "connectors.zendesk"),
}
"""The vendor's word in the config -> its connector."""
