"""Vendor -> its rigs. A connector in the registry without a line here fails `test_conformance_table.py`."""

from tests.conformance.rigs.base import Rig
from tests.conformance.rigs.crm import CrmRig
from tests.conformance.rigs.hubspot import HubSpotSource
from tests.conformance.rigs.hubspot_crm import HubSpotCrm
from tests.conformance.rigs.mixpanel import MixpanelSource
from tests.conformance.rigs.salesforce import SalesforceSource
from tests.conformance.rigs.salesforce_crm import SalesforceCrm
from tests.conformance.rigs.zendesk import ZendeskSource

SOURCES: dict[str, type[Rig]] = {
    rig.vendor: rig for rig in (HubSpotSource, MixpanelSource, SalesforceSource, ZendeskSource)
}
CRMS: dict[str, type[CrmRig]] = {rig.vendor: rig for rig in (HubSpotCrm, SalesforceCrm)}
