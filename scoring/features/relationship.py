"""Who speaks with whom, and how far the customer has come."""

from scoring.features.base import Feature

RELATIONSHIP: tuple[Feature, ...] = ()
"""Features of the relationship."""
