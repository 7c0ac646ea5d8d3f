"""The vocabulary of the rigs: `conformance`, which outside connectors use too."""

from conformance.adapter import Adapter
from conformance.held import Held, spread
from conformance.rig import Rig
from conformance.words import ALWAYS, PAGE, Change, Exceptions, Gap, NotApplicable

__all__ = ["ALWAYS", "PAGE", "Adapter", "Change", "Exceptions", "Gap", "Held", "NotApplicable", "Rig", "spread"]
