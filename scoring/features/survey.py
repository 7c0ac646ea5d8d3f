"""What people answer when asked."""

from functools import partial

from scoring.features.base import BOTH, Feature
from scoring.units import FLAG, OF_10, OF_100, PERCENT, things

_survey = partial(Feature, family="survey", kinds=("survey_response",), levels=BOTH)

SURVEY: tuple[Feature, ...] = (
    _survey("csat_answers_90d", things("answer"), "CSAT answers in 90 days.", "SUM(csat)", source="survey", zero=True),
    _survey(
        "csat_sum",
        things("point"),
        "Their sum: satisfied 100, neutral 50.",
        "SUM(csat_points)",
        source="survey",
        internal=True,
    ),
    _survey(
        "csat_90d",
        PERCENT,
        "Satisfied CSAT answers of the last 90 days; neutral ones count half.",
        "CASE WHEN csat_answers_90d > 0 THEN csat_sum // csat_answers_90d END",
    ),
    _survey(
        "nps_code",
        things("point"),
        "Instant and answer of the newest NPS answer, in one number; of equally new ones the lowest.",
        "MAX(nps_code)",
        source="survey",
        internal=True,
    ),
    _survey("nps_100", OF_100, "The newest NPS answer as 0-100.", "100 - nps_code % 1000", internal=True),
    _survey("last_nps", OF_10, "The newest NPS answer of the last 365 days, 0-10.", "nps_100 // 10"),
    _survey(
        "is_detractor",
        FLAG,
        "1 when that answer was 6 or less.",
        "CASE WHEN nps_100 < 70 THEN 1 WHEN nps_100 >= 70 THEN 0 END",
    ),
    _survey(
        "satisfaction",
        OF_100,
        "Mean of CSAT (90 days) and the newest NPS answer, or the one that exists.",
        "COALESCE((csat_90d + nps_100) // 2, csat_90d, nps_100)",
    ),
)
"""Features of survey answers."""
