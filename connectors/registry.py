"""The vendors we speak to, one line each. Modules are imported when a vendor is used, not before."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's connector.

    Attributes:
        title: The vendor's name as people write it.
        module: Where `Settings` and `connect` are.
        settings_module: Where `Settings` can be had without the connector and its HTTP library, so that commands that
            call nobody read the config quickly.
        is_crm: Whether it can be written to.
        custom_suffix: What the names of custom fields must end with; names with one are written With_Capitals.
    """

    title: str
    module: str
    settings_module: str
    is_crm: bool = False
    custom_suffix: str = ""

    def own_field(self, name: str) -> str:
        """What a field of ours is called in this CRM: "health_score" -> "holdfast_health_score"."""
        full = f"holdfast_{name}"
        return f"{full.title()}{self.custom_suffix}" if self.custom_suffix else full

    def load(self) -> ModuleType:
        """Import the connector; it has `Settings` (a pydantic model) and `connect(name, settings, *, clock, ...)`."""
        return import_module(self.module)

    def settings(self) -> type[BaseModel]:
        """The model of what the config says about this vendor."""
        model: type[BaseModel] = import_module(self.settings_module).Settings
        return model


VENDORS: dict[str, Vendor] = {
    "amplitude": Vendor("Amplitude", "connectors.amplitude", "connectors.amplitude_settings"),
    "files": Vendor("Files", "connectors.files", "connectors.files_settings"),
    "hubspot": Vendor("HubSpot", "connectors.hubspot", "connectors.hubspot_settings", is_crm=True),
    "intercom": Vendor("Intercom", "connectors.intercom", "connectors.intercom_settings"),
    "mixpanel": Vendor("Mixpanel", "connectors.mixpanel", "connectors.mixpanel_settings"),
    "salesforce": Vendor(
        "Salesforce", "connectors.salesforce", "connectors.salesforce_settings", is_crm=True, custom_suffix="__c"
    ),
    "singer": Vendor("Singer tap", "connectors.singer", "connectors.singer_settings"),
    "stripe": Vendor("Stripe", "connectors.stripe", "connectors.stripe_settings"),
    "sql": Vendor("SQL", "connectors.sql", "connectors.sql_settings"),
    "surveymonkey": Vendor("SurveyMonkey", "connectors.surveymonkey", "connectors.surveymonkey_settings"),
    "typeform": Vendor("Typeform", "connectors.typeform", "connectors.typeform_settings"),
    "zendesk": Vendor("Zendesk", "connectors.zendesk", "connectors.zendesk_settings"),
}
"""The vendor's word in the config -> its connector."""
