"""What an account does since a release: an update of the product after which use may drop and questions may come.

Releases are dated in the config (`[[events]]` of kind "release"), for all accounts or for some. Of several that are on,
the newest counts. Use is compared with as many days before, on the same weekdays, so that neither a release on a Friday
nor the first days after one look like a decline.
"""

from functools import partial

from scoring.features.base import MIN_EVENTS, Feature
from scoring.features.usage import OLD_ENOUGH
from scoring.units import CHANGE, DAYS, things

_visits = partial(
    Feature, source="use_since_release", family="usage", kinds=("usage",), unit=things("person-day"), internal=True
)

RELEASE: tuple[Feature, ...] = (
    Feature(
        "days_since_release",
        DAYS,
        "Days since the newest release in the config that is on for the account; 0 on its first day, unknown while "
        "none is.",
        "MIN(age)",
        source="release",
    ),
    _visits(
        name="visits_since_release",
        meaning="Days of each person with an event since the release, complete days only; from day 3 to 28.",
        sql="SUM(BIT_COUNT(since))",
    ),
    _visits(
        name="visits_before_release",
        meaning="The same of as many days before it, whole weeks earlier.",
        sql="SUM(BIT_COUNT(before))",
    ),
    Feature(
        "use_since_release",
        CHANGE,
        "Days on which people used the product, summed over people: since the release against as many days before it "
        "on the same weekdays; known from day 3 to 28 of a release.",
        f"CASE WHEN {OLD_ENOUGH} AND visits_before_release >= {MIN_EVENTS} "
        "THEN 100 * visits_since_release // visits_before_release - 100 END",
        family="usage",
        kinds=("usage",),
    ),
    Feature(
        "release_tickets",
        things("ticket"),
        "Tickets opened since the release.",
        "SUM(is_since)",
        source="ticket_since_release",
        family="support",
        kinds=("ticket",),
        zero=True,
        internal=True,
    ),
    Feature(
        "tickets_since_release",
        things("ticket"),
        "Tickets opened since the first day of the release, that day included; unknown while none is on.",
        "CASE WHEN days_since_release >= 0 THEN release_tickets END",
        family="support",
        kinds=("ticket",),
    ),
)
"""Features of what follows a release."""
