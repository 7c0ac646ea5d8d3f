"""Vendor -> its rigs. A connector in the registry without a line here fails `test_conformance_table.py`."""

from tests.conformance.rigs.base import Rig
from tests.conformance.rigs.hubspot import HubSpotSource
from tests.conformance.rigs.mixpanel import MixpanelSource
from tests.conformance.rigs.zendesk import ZendeskSource

SOURCES: dict[str, type[Rig]] = {rig.vendor: rig for rig in (HubSpotSource, MixpanelSource, ZendeskSource)}

CRMS: dict[str, type[Rig]] = {}
