"""The catalogue of features: numbers and words about one account or contact, in SQL over the common tables.

Rules of the catalogue: whole numbers only (percent, days, counts); every division is a floor division of non-negative
numbers; NULL means "not known"; nothing after the feed's own last complete pull counts, so that a source that stopped
delivering makes its facts old, never bad.

A feature is either read from a *source* (rows of one common table, aggregated per account or contact; see
`scoring.sources`) or, when its source is empty, computed from other features.
"""

from scoring.features.base import MIN_ACTIVE, MIN_EVENTS, WINDOW_DAYS, Family, Feature
from scoring.features.commercial import COMMERCIAL
from scoring.features.product import PRODUCT
from scoring.features.profile import PROFILE
from scoring.features.relationship import RELATIONSHIP
from scoring.features.release import RELEASE
from scoring.features.segments import SEGMENTS
from scoring.features.support import SUPPORT
from scoring.features.survey import SURVEY
from scoring.features.usage import USAGE
from scoring.inputs import Level

__all__ = ["CATALOGUE", "MIN_ACTIVE", "MIN_EVENTS", "WINDOW_DAYS", "Family", "Feature", "catalogue"]

CATALOGUE: tuple[Feature, ...] = (
    *PROFILE, *USAGE, *PRODUCT, *SUPPORT, *SURVEY, *COMMERCIAL, *RELATIONSHIP, *RELEASE, *SEGMENTS,
)  # fmt: skip
"""Every feature."""


def catalogue(level: Level) -> dict[str, Feature]:
    """The features of one level by name, internal ones included."""
    return {feature.name: feature for feature in CATALOGUE if level in feature.levels}
