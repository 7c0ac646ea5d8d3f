"""Who speaks with whom, who has left, and who answers."""

from functools import partial

from scoring.features.base import BOTH, CONTACT, MIN_ACTIVE, Feature
from scoring.units import CHANGE, DAYS, HOURS, PEOPLE, PERCENT, TEXT, things

_activity = partial(Feature, family="relationship", kinds=("activity",), levels=BOTH)
_counted = partial(_activity, source="activity", zero=True)
_person = partial(Feature, source="departure", family="relationship", kinds=("contact",), zero=True, watched=90)
_MESSAGE, _EMAIL = things("message"), things("e-mail")
_MEDIAN = "MAX(CASE WHEN way = {way} AND place = (total + 1) // 2 THEN value END)"

_CONTACT = (
    _counted(
        "inbound_90d",
        _MESSAGE,
        "Calls, meetings and e-mails in which they contacted us, 90 days.",
        "SUM(CASE WHEN inbound = 1 AND age < 90 THEN 1 ELSE 0 END)",
    ),
    _counted(
        "inbound_prev_90d",
        _MESSAGE,
        "The same, 90 days before.",
        "SUM(CASE WHEN inbound = 1 AND age BETWEEN 90 AND 179 THEN 1 ELSE 0 END)",
    ),
    _counted(
        "outbound_90d",
        _MESSAGE,
        "Calls, meetings and e-mails in which we contacted them, 90 days.",
        "SUM(CASE WHEN inbound = 0 AND age < 90 THEN 1 ELSE 0 END)",
    ),
    _activity(
        "inbound_share",
        PERCENT,
        "Of the messages of 90 days, how many came from them; from 3 messages on.",
        f"CASE WHEN inbound_90d + outbound_90d >= {MIN_ACTIVE} "
        "THEN 100 * inbound_90d // (inbound_90d + outbound_90d) END",
    ),
    _activity(
        "inbound_drop",
        PERCENT,
        "How far their messages fell, 90 days against the 90 before, from 3 on: 0 when they did not fall. Quiet is "
        "never good news.",
        f"CASE WHEN inbound_prev_90d >= {MIN_ACTIVE} AND inbound_90d < inbound_prev_90d "
        "THEN 100 - 100 * inbound_90d // inbound_prev_90d WHEN inbound_prev_90d >= 0 THEN 0 END",
    ),
    _activity(
        "days_since_contact",
        DAYS,
        "Days since a call, meeting or e-mail in either direction.",
        "MIN(age)",
        source="activity",
    ),
    _activity(
        "days_since_inbound",
        DAYS,
        "Days since they contacted us.",
        "MIN(CASE WHEN inbound = 1 THEN age END)",
        source="activity",
    ),
    _activity(
        "reply_hours",
        HOURS,
        "Median hours in which they answered our messages, answers of the last 90 days.",
        _MEDIAN.format(way=0),
        source="reply",
    ),
    _activity(
        "our_reply_hours",
        HOURS,
        "Median hours in which we answered their messages, answers of the last 90 days.",
        _MEDIAN.format(way=1),
        source="reply",
    ),
)

_EMAIL_FEATURES = (
    _counted(
        "emails_90d",
        _EMAIL,
        "E-mails to them in 90 days, of a source that tells whether they were opened.",
        "SUM(CASE WHEN is_tracked = 1 AND age < 90 THEN 1 ELSE 0 END)",
    ),
    _counted(
        "opened_90d",
        _EMAIL,
        "Of these, opened or clicked.",
        "SUM(CASE WHEN is_tracked = 1 AND age < 90 THEN is_opened ELSE 0 END)",
    ),
    _counted(
        "emails_prev_90d",
        _EMAIL,
        "The same e-mails, 90 days before.",
        "SUM(CASE WHEN is_tracked = 1 AND age BETWEEN 90 AND 179 THEN 1 ELSE 0 END)",
        internal=True,
    ),
    _counted(
        "opened_prev_90d",
        _EMAIL,
        "Of these, opened or clicked.",
        "SUM(CASE WHEN is_tracked = 1 AND age BETWEEN 90 AND 179 THEN is_opened ELSE 0 END)",
        internal=True,
    ),
    _activity(
        "email_engagement",
        PERCENT,
        "Of our e-mails of 90 days, how many were opened or clicked; from 3 on. Needs a source that tells opens.",
        f"CASE WHEN emails_90d >= {MIN_ACTIVE} THEN 100 * opened_90d // emails_90d END",
    ),
    _activity(
        "email_engagement_change",
        CHANGE,
        "The same, against the 90 days before.",
        f"CASE WHEN emails_90d >= {MIN_ACTIVE} AND emails_prev_90d >= {MIN_ACTIVE} AND opened_prev_90d > 0 "
        "THEN 100 * (opened_90d * emails_prev_90d) // (opened_prev_90d * emails_90d) - 100 END",
    ),
    _activity(
        "days_since_email_open",
        DAYS,
        "Days since one of our e-mails was opened or clicked.",
        "MIN(opened_age)",
        source="activity",
    ),
)

_PEOPLE = (
    _person(
        "people_gone_90d",
        PEOPLE,
        "People who left the account in 90 days: deleted in the CRM or moved to another account.",
        "SUM(CASE WHEN gone = 1 AND age < 90 THEN 1 ELSE 0 END)",
    ),
    _person(
        "sponsors_gone_90d",
        PEOPLE,
        "Of these, sponsors and decision makers, by their part in a deal or their title.",
        "SUM(CASE WHEN gone = 1 AND leads = 1 AND age < 90 THEN 1 ELSE 0 END)",
    ),
    _person(
        "champions_gone_90d",
        PEOPLE,
        "Of these, champions, by their part in a deal or their title.",
        "SUM(CASE WHEN gone = 1 AND champions = 1 AND age < 90 THEN 1 ELSE 0 END)",
    ),
    _person(
        "sponsors_changed_90d",
        PEOPLE,
        "Sponsors and decision makers who lost that part in 90 days and are still there.",
        "SUM(CASE WHEN gone = 0 AND leads = 1 AND age < 90 THEN 1 ELSE 0 END)",
        kinds=("contact", "contact_role"),
    ),
    Feature(
        "days_since_owner_change",
        DAYS,
        "Days since the account got another owner on our side, as far as the agent has seen it.",
        "MIN(CASE WHEN owner_before <> owner_after THEN age END)",
        "account_change",
        "relationship",
        ("account",),
    ),
)

_role = partial(Feature, source="people", family="relationship")
_ROLES = (
    _role(
        "role",
        TEXT,
        "user, team, economic_buyer or executive_sponsor, by the part in a deal, else by the title; docs/hierarchy.md "
        "lists the words.",
        "MAX(role)",
        levels=CONTACT,
    ),
    _role(
        "buyers_known",
        PEOPLE,
        "Economic buyers among the account's people, by their role.",
        "SUM(CASE WHEN role = 'economic_buyer' THEN 1 ELSE 0 END)",
        kinds=("contact",),
        zero=True,
    ),
    _role(
        "sponsors_known",
        PEOPLE,
        "Executive sponsors among the account's people, by their role.",
        "SUM(CASE WHEN role = 'executive_sponsor' THEN 1 ELSE 0 END)",
        kinds=("contact",),
        zero=True,
    ),
    _role(
        "sponsors_active",
        PEOPLE,
        "Of these, how many signed in, wrote, spoke or met with us in 90 days; unknown where no sponsor is known.",
        "SUM(CASE WHEN role = 'executive_sponsor' THEN seen END)",
        kinds=("contact", "activity"),
    ),
)

RELATIONSHIP: tuple[Feature, ...] = (*_CONTACT, *_EMAIL_FEATURES, *_PEOPLE, *_ROLES)
"""Features of the relationship."""
