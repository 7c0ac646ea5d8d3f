"""Vendor -> its rigs. A connector in the registry without a line here fails `test_conformance_table.py`."""

from tests.conformance.rigs.amplitude import AmplitudeSource
from tests.conformance.rigs.base import Rig
from tests.conformance.rigs.crm import CrmRig
from tests.conformance.rigs.files import FilesSource
from tests.conformance.rigs.hubspot import HubSpotSource
from tests.conformance.rigs.hubspot_crm import HubSpotCrm
from tests.conformance.rigs.intercom import IntercomSource
from tests.conformance.rigs.mixpanel import MixpanelSource
from tests.conformance.rigs.salesforce import SalesforceSource
from tests.conformance.rigs.salesforce_bulk import SalesforceBulk
from tests.conformance.rigs.salesforce_crm import SalesforceCrm
from tests.conformance.rigs.singer import SingerSource
from tests.conformance.rigs.sql import SqlSource
from tests.conformance.rigs.stripe import StripeSource
from tests.conformance.rigs.surveymonkey import SurveyMonkeySource
from tests.conformance.rigs.typeform import TypeformSource
from tests.conformance.rigs.zendesk import ZendeskSource

SOURCES: dict[str, type[Rig]] = {
    "amplitude": AmplitudeSource,
    "files": FilesSource,
    "hubspot": HubSpotSource,
    "intercom": IntercomSource,
    "mixpanel": MixpanelSource,
    "salesforce": SalesforceSource,
    "salesforce_bulk": SalesforceBulk,
    "singer": SingerSource,
    "stripe": StripeSource,
    "sql": SqlSource,
    "surveymonkey": SurveyMonkeySource,
    "typeform": TypeformSource,
    "zendesk": ZendeskSource,
}
"""What a column is called -> a vendor's rig; a vendor that is read in very different ways has one for each."""
CRMS: dict[str, type[CrmRig]] = {"hubspot": HubSpotCrm, "salesforce": SalesforceCrm}
