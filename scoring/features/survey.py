"""What people answer when asked."""

from functools import partial

from scoring.features.base import BOTH, Feature
from scoring.units import DAYS, FLAG, HOURS, OF_10, OF_100, PEOPLE, PERCENT, TREND, things

_survey = partial(Feature, family="survey", kinds=("survey_response",), levels=BOTH)
_answers = partial(_survey, source="survey")
_people = partial(_survey, source="nps_person", levels=("account",))
_ANSWER, _POINT = things("answer"), things("point")

_CSAT = (
    _answers("csat_answers_90d", _ANSWER, "CSAT answers in 90 days.", "SUM(csat)", zero=True),
    _answers("csat_sum", _POINT, "Their sum: satisfied 100, neutral 50.", "SUM(csat_points)", internal=True),
    _survey(
        "csat_90d",
        PERCENT,
        "Satisfied CSAT answers of the last 90 days; neutral ones count half.",
        "CASE WHEN csat_answers_90d > 0 THEN csat_sum // csat_answers_90d END",
    ),
    _answers("csat_answers_prev", _ANSWER, "CSAT answers in the 90 days before.", "SUM(csat_prev)", internal=True),
    _answers("csat_sum_prev", _POINT, "Their sum.", "SUM(csat_prev_points)", internal=True),
    _survey(
        "csat_prev_90d",
        PERCENT,
        "Satisfied CSAT answers of the 90 days before.",
        "CASE WHEN csat_answers_prev > 0 THEN csat_sum_prev // csat_answers_prev END",
    ),
    _survey(
        "csat_trend",
        TREND,
        "1 rising, 0 stable, -1 falling: CSAT of 90 days against the 90 before, by at least 10 points, from 2 answers "
        "each on.",
        "CASE WHEN csat_answers_90d >= 2 AND csat_answers_prev >= 2 THEN CASE WHEN csat_90d >= csat_prev_90d + 10 "
        "THEN 1 WHEN csat_prev_90d >= csat_90d + 10 THEN -1 ELSE 0 END END",
    ),
    _answers(
        "csat_code",
        _POINT,
        "Instant and answer of the newest CSAT answer, in one number; of equally new ones the worst.",
        "MAX(csat_code)",
        internal=True,
    ),
    _survey(
        "last_csat", OF_100, "The newest CSAT answer of the last 365 days: 100 satisfied, 50 neutral, 0 not.",
        "100 - csat_code % 1000",
    ),
)  # fmt: skip

_NPS = (
    _answers(
        "nps_code",
        _POINT,
        "Instant and answer of the newest NPS answer, in one number; of equally new ones the lowest.",
        "MAX(nps_code)",
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
    _answers("nps_age_hours", HOURS, "Hours since the newest NPS answer of the last 365 days.", "MIN(nps_hours)"),
    _answers(
        "detractor_age_hours",
        HOURS,
        "Hours since the newest NPS answer of 6 or less, of the last 365 days.",
        "MIN(detractor_hours)",
    ),
    _answers("nps_answers", _ANSWER, "NPS answers in 180 days.", "SUM(nps_now)", internal=True),
    _answers("nps_sum", _POINT, "Their sum, each 0-100.", "SUM(nps_now_points)", internal=True),
    _answers("nps_answers_prev", _ANSWER, "NPS answers in the 180 days before.", "SUM(nps_prev)", internal=True),
    _answers("nps_sum_prev", _POINT, "Their sum.", "SUM(nps_prev_points)", internal=True),
    _survey(
        "nps_trend",
        TREND,
        "1 rising, 0 stable, -1 falling: mean NPS answer of 180 days against the 180 before, by at least 1 of 10.",
        "CASE WHEN nps_answers > 0 AND nps_answers_prev > 0 THEN "
        "CASE WHEN nps_sum // nps_answers >= nps_sum_prev // nps_answers_prev + 10 THEN 1 "
        "WHEN nps_sum_prev // nps_answers_prev >= nps_sum // nps_answers + 10 THEN -1 ELSE 0 END END",
    ),
    _people("nps_people", PEOPLE, "People with an NPS answer in the last 365 days.", "COUNT(code)", zero=True),
    _people(
        "detractors",
        PEOPLE,
        "People whose newest NPS answer of the last 365 days was 6 or less; answers without a name count as one "
        "person's.",
        "SUM(CASE WHEN code % 1000 > 30 THEN 1 ELSE 0 END)",
        zero=True,
    ),
    _people(
        "promoters",
        PEOPLE,
        "People whose newest NPS answer of the last 365 days was 9 or 10.",
        "SUM(CASE WHEN code % 1000 <= 10 THEN 1 ELSE 0 END)",
        zero=True,
    ),
    _people(
        "nps_mean",
        OF_100,
        "Mean of each person's newest NPS answer of the last 365 days, as 0-100; no account NPS from so few answers.",
        "SUM(100 - code % 1000) // COUNT(code)",
    ),
)

_SPOKEN = {
    "bugs": "something that does not work",
    "leaving": "leaving",
    "missing": "something that is missing",
    "outages": "outages",
    "praise": "praise",
    "price": "the price",
    "speed": "slowness",
    "support": "our support, and not kindly",
    "usability": "something that is hard to use",
}

_TEXTS = (
    *(
        _answers(
            f"theme_{theme}_90d",
            _ANSWER,
            f"Answers of 90 days whose text speaks of {words}, by the lists of words.",
            f"SUM(speaks_of_{theme})",
            zero=True,
        )
        for theme, words in _SPOKEN.items()
    ),
    _answers(
        "complaints_90d",
        _ANSWER,
        "Answers of 90 days whose text complains, by the lists of words; those of satisfied people aside.",
        "SUM(complaint)",
        zero=True,
    ),
    _answers(
        "days_since_complaint", DAYS, "Days since an answer whose text complains.", "MIN(complaint_age)"
    ),
    Feature(
        "note_complaints_90d",
        things("note"),
        "Notes of colleagues on the account that were read in 90 days and tell of a complaint, by the lists of words.",
        "SUM(complaint)",
        "note",
        "relationship",
        ("account",),
        zero=True,
    ),
)  # fmt: skip

SURVEY: tuple[Feature, ...] = (
    *_CSAT,
    *_NPS,
    _survey(
        "satisfaction",
        OF_100,
        "Mean of CSAT (90 days) and the newest NPS answer, or the one that exists.",
        "COALESCE((csat_90d + nps_100) // 2, csat_90d, nps_100)",
    ),
    _answers("ces_answers", _ANSWER, "Customer-effort answers in 180 days.", "SUM(ces)", internal=True),
    _answers("ces_sum", _POINT, "Their sum, each 0-100.", "SUM(ces_points)", internal=True),
    _survey(
        "ces_180d",
        OF_100,
        "Mean customer-effort answer of the last 180 days as 0-100; the top of the scale is easiest.",
        "CASE WHEN ces_answers > 0 THEN ces_sum // ces_answers END",
    ),
    _answers(
        "days_since_bad_answer",
        DAYS,
        "Days since an unsatisfied CSAT or an NPS answer of 6 or less.",
        "MIN(bad_age)",
    ),
    _answers(
        "bad_answers_90d",
        things("unhappy answer"),
        "Unsatisfied CSAT and NPS answers of 6 or less in 90 days.",
        "SUM(CASE WHEN bad_age < 90 THEN 1 ELSE 0 END)",
        zero=True,
    ),
    *_TEXTS,
)
"""Features of survey answers."""
